"""The Hub of compose.yaml. What a Hub of your own needs for tracking is the second half alone."""

import os

c = get_config()  # noqa: F821  # the Hub defines it

# Who may log in, and where servers run: put your own authenticator here. With this one, for trying, all
# users share one password.
c.JupyterHub.authenticator_class = "shared-password"
c.SharedPasswordAuthenticator.user_password = os.environ["USER_PASSWORD"]
c.SharedPasswordAuthenticator.admin_password = os.environ["ADMIN_PASSWORD"]
c.Authenticator.allow_all = True
c.Authenticator.admin_users = {"admin"}

c.JupyterHub.spawner_class = "docker"
c.DockerSpawner.image = os.environ["NOTEBOOK_IMAGE"]
c.DockerSpawner.network_name = os.environ["NOTEBOOK_NETWORK"]
c.DockerSpawner.remove = True
c.DockerSpawner.notebook_dir = "/home/user"
c.DockerSpawner.volumes = {"tracking-home-{username}": "/home/user"}

c.JupyterHub.hub_ip = "0.0.0.0"  # noqa: S104  # within the containers' networks
c.JupyterHub.hub_connect_ip = "hub"
c.JupyterHub.db_url = "sqlite:////srv/jupyterhub/state/jupyterhub.sqlite"
c.JupyterHub.cookie_secret_file = "/srv/jupyterhub/state/cookie_secret"  # noqa: S105  # a path

# The tracking service: it runs beside the Hub, twice, behind the balancer.
c.JupyterHub.services.append(
    {
        "name": "tracking",
        "url": "http://balancer:80",
        "api_token": os.environ["TRACKING_API_TOKEN"],
        "oauth_no_confirm": True,
    }
)
# Users may use the service, and so may their notebook servers.
c.JupyterHub.load_roles.append({"name": "user", "scopes": ["self", "access:services!service=tracking"]})
c.Spawner.server_token_scopes = [
    "users:activity!user",
    "access:servers!server",
    "access:services!service=tracking",
]
# Where notebook servers find it.
c.Spawner.environment.update({"JUPYTER_TRACKING_SERVICE_URI": "http://balancer:80/services/tracking"})
