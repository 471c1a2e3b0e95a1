"""Settings: one frozen dataclass is the table from which flags, environment, traits and docs derive.

A *setting* is a field of ``Settings`` (or of its part ``SignInSettings``), made by ``setting()`` with its
help and, where MLflow has one, the environment variable that it shares with ``mlflow server``. A flag wins
over the environment, and that over the default. What is marked ``standalone`` makes no sense inside Jupyter
and has no trait there.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import Field, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple, cast
from urllib.parse import urlsplit

from jupyter_core.paths import jupyter_data_dir

from .age import parse_age
from .setting import setting
from .sign_in_settings import SignInSettings

__all__ = ["SETTINGS", "ConfigurationError", "Setting", "Settings", "data_folder", "is_loopback", "traits"]

WILDCARDS = frozenset({"", "0.0.0.0", "::", "*"})  # noqa: S104 - to recognise them, not to bind
"""Hosts that mean every interface."""


class ConfigurationError(Exception):
    """The settings cannot be served; the message says what to change."""


@dataclass(frozen=True, kw_only=True)
class Settings(SignInSettings):
    """How a server is set up. Empty text means the default that the help names."""

    backend_store_uri: str = setting(
        "",
        "Database: sqlite:///path or postgresql://user:password@host/name "
        "(default: tracking.db below Jupyter's data folder)",
        env="MLFLOW_BACKEND_STORE_URI",
    )
    artifacts_destination: str = setting(
        "",
        "Where proxied artifacts are kept (default: the folder artifacts below Jupyter's data folder)",
        env="MLFLOW_ARTIFACTS_DESTINATION",
    )
    default_artifact_root: str = setting(
        "",
        "Artifact location of new experiments (default: mlflow-artifacts:/, the proxy)",
        env="MLFLOW_DEFAULT_ARTIFACT_ROOT",
    )
    serve_artifacts: bool = setting(True, "Serve the artifact proxy", env="MLFLOW_SERVE_ARTIFACTS")
    artifacts_only: bool = setting(
        False,
        "Serve nothing but the artifact proxy; it still needs the database, which knows whose a path is",
        env="MLFLOW_ARTIFACTS_ONLY",
        standalone=True,
    )
    artifacts_role_arn: str = setting(
        "", "AWS role that the server takes on to reach s3:// artifacts, with the credentials that it has"
    )
    artifacts_role_external_id: str = setting("", "External id that this role asks for")
    artifacts_role_session_name: str = setting(
        "jupyter-tracking", "Session name under which the role's acts are logged"
    )
    share_store_credentials: bool = setting(
        False,
        "Inside Jupyter: let kernels and terminals inherit the variables with the object store's credentials",
    )
    service_uri: str = setting(
        "",
        "Inside Jupyter: a tracking service elsewhere, to which all requests go instead of a store of "
        "Jupyter's own; none for no service (default: what MLFLOW_TRACKING_URI says, if that is http(s))",
        env="JUPYTER_TRACKING_SERVICE_URI",
    )
    service_access: str = setting(
        "relay",
        "Inside Jupyter, with a service: relay: kernels reach it through Jupyter, and hold a token for "
        "Jupyter alone; direct: kernels are told its address and a short-lived token",
        choices=("relay", "direct"),
    )
    service_token_lifetime: int = setting(
        3600,
        "Inside Jupyter, with direct access to a service: seconds that a kernel's token lives; it is "
        "renewed at half of that",
    )
    service_page: str = setting(
        "",
        "Inside Jupyter, with a service: where browsers find its own pages (default: service_uri, or its "
        "path on the Hub's host)",
    )
    share_service_credentials: bool = setting(
        False,
        "Inside Jupyter, with a service: let kernels and terminals inherit the variables with the credential "
        "that Jupyter sends it",
    )
    presigned_urls: bool = setting(
        False, "Let clients move big files by short-lived addresses of the object store itself"
    )
    public_url: str = setting(
        "",
        "Address by which clients reach this server, with its path, where a proxy before it does not say so "
        "in X-Forwarded-Proto, -Host and -Prefix",
    )
    gc_after: str = setting(
        "",
        "Age, such as 30d or 12h, after which the server itself removes for good what is in the trash "
        "(default: never)",
    )
    access_log: str = setting("", "File for a JSON line on each request; - is standard error")
    audit_log: str = setting(
        "", "File for a JSON line on each artifact moved, change, deletion and refusal; - is standard error"
    )
    audit: str = setting(
        "auto",
        "Keep the same in the database, but for what strangers were refused; auto: where users sign in",
        choices=("auto", "on", "off"),
    )
    durability: str = setting(
        "full",
        "full: an acknowledged write survives loss of power; normal: it survives a crash of the server",
        choices=("full", "normal"),
    )
    reader_threads: int = setting(4, "Threads that read from the database")
    new_experiments: str = setting(
        "private",
        "Who may read a new experiment where users sign in: private: its maker; group: also the maker's "
        "groups; open: everybody who signs in",
        choices=("private", "group", "open"),
        standalone=True,
    )
    host: str = setting("127.0.0.1", "Address to listen on", env="MLFLOW_HOST", standalone=True)
    port: int = setting(5000, "Port to listen on; 0 takes a free one", env="MLFLOW_PORT", standalone=True)
    static_prefix: str = setting(
        "", "Path that comes before every path of the API", env="MLFLOW_STATIC_PREFIX", standalone=True
    )
    allowed_hosts: str = setting(
        "",
        "Further names or addresses by which clients reach the server, separated by commas; * allows any",
        env="MLFLOW_SERVER_ALLOWED_HOSTS",
        standalone=True,
    )
    auth: str = setting(
        "token",
        "token: clients send the token that is printed; users: each signs in as a user and has rights of "
        "their own; hub: the users are those of a JupyterHub; none: anybody may do everything",
        choices=("token", "users", "hub", "none"),
        standalone=True,
    )
    insecure: bool = setting(
        False, "Allow --auth none on an address that other machines reach", standalone=True
    )
    drain_delay: int = setting(
        0,
        "Seconds after SIGTERM for which all is still served but /health answers 503; behind a balancer, a "
        "little more than it takes to notice",
        standalone=True,
    )
    drain_timeout: int = setting(
        10, "Seconds that running requests may take after that; longer ones are cut off", standalone=True
    )
    token_file: str = setting(
        "", "File with the token (default: token below Jupyter's data folder)", standalone=True
    )

    def __post_init__(self) -> None:
        for given in SETTINGS:
            value = getattr(self, given.name)
            if given.choices and value not in given.choices:
                raise ConfigurationError(f"{given.flag} must be one of: {', '.join(given.choices)}.")
        if not 1 <= self.reader_threads <= 64:
            raise ConfigurationError("--reader-threads must be between 1 and 64.")
        if self.drain_delay < 0 or self.drain_timeout < 0:
            raise ConfigurationError("--drain-delay and --drain-timeout must be 0 or more seconds.")
        if self.service_token_lifetime < 2:
            raise ConfigurationError("--service-token-lifetime must be at least 2 seconds.")
        if not 0 <= self.port <= 65_535:
            raise ConfigurationError("--port must be between 0 and 65535.")
        if self.static_prefix and (
            not self.static_prefix.startswith("/") or self.static_prefix.endswith("/")
        ):
            raise ConfigurationError("--static-prefix must begin with a slash and not end with one.")
        if self.artifacts_only and not self.serve_artifacts:
            raise ConfigurationError("--artifacts-only and --no-serve-artifacts leave nothing to serve.")
        _check_gc_after(self.gc_after)
        _check_public_url(self.public_url)
        if self.auth == "none" and not self.insecure and not is_loopback(self.host):
            raise ConfigurationError(
                f"--auth none on {self.host or 'all addresses'} would let every machine that reaches it do "
                "everything. Use --auth token, or --host 127.0.0.1, or say --insecure if you mean it."
            )

    @property
    def database_url(self) -> str:
        """The database as ``sqlite:///absolute/path`` or ``postgresql://…``.

        Raises:
            ConfigurationError: it is of another kind.
        """
        uri = self.backend_store_uri
        if not uri:
            return f"sqlite:///{data_folder() / 'tracking.db'}"
        if uri.startswith("sqlite:///"):
            return f"sqlite:///{Path(uri.removeprefix('sqlite:///')).absolute()}"
        if uri.startswith(("postgresql:", "postgresql+", "postgres:")):
            return uri
        raise ConfigurationError(
            f"--backend-store-uri {_without_password(uri)} is neither sqlite:///path nor postgresql://… ."
        )

    @property
    def has_rights(self) -> bool:
        """Whether callers are users who differ in what they may do."""
        return self.auth in {"users", "hub"}

    @property
    def keeps_ledger(self) -> bool:
        """Whether who did what is kept in the database."""
        return self.audit == "on" or (self.audit == "auto" and self.has_rights)

    @property
    def destination(self) -> str:
        """Where proxied artifacts are kept."""
        return self.artifacts_destination or str(data_folder() / "artifacts")

    @property
    def artifact_root(self) -> str:
        """What the location of a new experiment begins with; its id follows after a slash."""
        if self.default_artifact_root:
            return _absolute(self.default_artifact_root)
        return "mlflow-artifacts:" if self.serve_artifacts else _absolute(self.destination)

    @property
    def store(self) -> str:
        """The place of the artifact store that the server opens.

        Without the proxy that is where new experiments go, so that the artifacts of a run can be listed.
        """
        root = self.default_artifact_root
        if self.serve_artifacts or not root or root.startswith("mlflow-artifacts:"):
            return self.destination
        return self.artifact_root

    @property
    def opens_destination(self) -> bool:
        """Whether ``store`` is where proxied artifacts are kept."""
        if self.default_artifact_root.startswith("mlflow-artifacts:") and not self.serve_artifacts:
            # Another server serves them; unless it is said here, too, where it keeps them.
            return bool(self.artifacts_destination)
        return self.store == self.destination

    @property
    def token_path(self) -> Path:
        """The file with the token of the standalone server."""
        return Path(self.token_file) if self.token_file else data_folder() / "token"


class Setting(NamedTuple):
    """A setting as flags, traits and docs see it."""

    name: str
    default: str | int | bool
    help: str
    env: str
    choices: tuple[str, ...]
    standalone: bool

    @property
    def flag(self) -> str:
        """``--backend-store-uri``."""
        return f"--{self.name.replace('_', '-')}"

    def parse(self, text: str) -> str | int | bool:
        """The value that an environment variable's text stands for.

        Raises:
            ConfigurationError: it stands for none.
        """
        if isinstance(self.default, bool):
            if text.lower() not in {"true", "false", "1", "0"}:
                raise ConfigurationError(f"{self.env} must be true or false, not {text!r}.")
            return text.lower() in {"true", "1"}
        if isinstance(self.default, int):
            if not text.isdecimal():
                raise ConfigurationError(f"{self.env} must be a whole number, not {text!r}.")
            return int(text)
        return text


def _row(column: Field[Any]) -> Setting:
    return Setting(column.name, cast("str | int | bool", column.default), **column.metadata)


def _in_order() -> list[Field[Any]]:
    """What a class inherits comes first in it, but is for fewer people."""
    inherited = {column.name for column in fields(SignInSettings)}
    return sorted(fields(Settings), key=lambda column: column.name in inherited)


SETTINGS: tuple[Setting, ...] = tuple(_row(column) for column in _in_order())


def from_environment(environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """The settings that environment variables give.

    Raises:
        ConfigurationError: one is malformed.
    """
    return {
        item.name: item.parse(environment[item.env])
        for item in SETTINGS
        if item.env and environment.get(item.env)
    }


def traits() -> dict[str, Any]:
    """The settings of the embedded server as traits, by name."""
    # Imported here: the standalone server starts without traitlets.
    from traitlets import Bool, Enum, Int, Unicode  # noqa: PLC0415 - see above

    made: dict[str, Any] = {}
    for item in SETTINGS:
        if item.standalone:
            continue
        if item.choices:
            made[item.name] = Enum(item.choices, item.default, help=item.help, config=True)
        else:
            kind = {bool: Bool, int: Int, str: Unicode}[type(item.default)]
            made[item.name] = kind(item.default, help=item.help, config=True)
    return made


def table() -> str:
    """The settings as a Markdown table, for the docs."""
    lines = ["| flag | trait | environment | default | meaning |", "|---|---|---|---|---|"]
    for item in SETTINGS:
        trait = "" if item.standalone else f"`TrackingExtension.{item.name}`"
        env = f"`{item.env}`" if item.env else ""
        default = f"`{item.default}`" if item.default != "" else ""
        meaning = item.help.replace("|", "\\|")
        lines.append(f"| `{item.flag}` | {trait} | {env} | {default} | {meaning} |")
    return "\n".join(lines) + "\n"


def data_folder() -> Path:
    """``tracking`` below Jupyter's data folder, made with mode 0700 if it is not there."""
    folder = Path(jupyter_data_dir()) / "tracking"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens on ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _absolute(root: str) -> str:
    """Without a slash at its end; a local path as a ``file:`` URI, which clients elsewhere understand too."""
    # One letter is the drive of a Windows path.
    if len(urlsplit(root).scheme) < 2:
        return Path(os.path.normpath(Path(root).expanduser().absolute())).as_uri()
    return root.rstrip("/")


def _check_gc_after(text: str) -> None:
    if not text:
        return
    try:
        age = parse_age(text)
    except ValueError as error:
        raise ConfigurationError(f"--gc-after {error}") from None
    if age <= 0:
        raise ConfigurationError("--gc-after must be longer than nothing; leave it out for never.")


def _check_public_url(text: str) -> None:
    try:
        url = urlsplit(text)
        sound = url.scheme in {"http", "https"} and url.hostname and url.username is None
        sound = sound and not (url.query or url.fragment or any(character.isspace() for character in text))
    except ValueError:
        sound = False
    if text and not sound:
        raise ConfigurationError("--public-url must be an address such as https://host.example/path.")


def _without_password(uri: str) -> str:
    scheme, colon, rest = uri.partition("://")
    return f"{scheme}{colon}…@{rest.rpartition('@')[2]}" if "@" in rest else uri
