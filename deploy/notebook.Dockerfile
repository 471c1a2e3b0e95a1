# A user's server; the build context is dist/, with the wheel that `make build` made.
FROM python:3.12-slim
COPY *.whl /tmp/
RUN pip install --no-cache-dir "$(ls /tmp/jupyter_tracking-*.whl)[hub,lab]" mlflow-skinny && rm /tmp/*.whl
RUN useradd --uid 1000 --create-home user
USER user
WORKDIR /home/user
CMD ["jupyterhub-singleuser"]
