# The tracking service; the build context is dist/, with the wheel that `make build` made.
FROM python:3.12-slim
COPY *.whl /tmp/
RUN pip install --no-cache-dir "$(ls /tmp/jupyter_tracking-*.whl)[hub,postgresql]" && rm /tmp/*.whl
RUN useradd --uid 1000 --create-home tracking
USER tracking
WORKDIR /home/tracking
# The server must get the signal to stop itself: no shell before it.
CMD ["jupyter", "tracking", "hub-service"]
