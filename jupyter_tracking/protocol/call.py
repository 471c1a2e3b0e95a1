"""What a call of the protocol is: everything that server, client, documents and tests derive from.

A *call* is one method of the REST API. A *request* and a *reply* are msgspec structs. An *action* says
what right the call needs on the experiment that owns the thing; ``admin`` is for administrators of the whole
server. A *family* is the part of the URL that follows the version: ``mlflow`` for tracking,
``mlflow-artifacts`` for the artifact proxy, ``jupyter-tracking`` for what MLflow has no call for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

import msgspec

from . import limits

Action = Literal["read", "write", "manage", "admin"]
Verb = Literal["GET", "POST", "PATCH", "PUT", "DELETE"]
Family = Literal["mlflow", "mlflow-artifacts", "jupyter-tracking"]

Request = TypeVar("Request", bound=msgspec.Struct)
Reply = TypeVar("Reply", bound=msgspec.Struct)

PREFIXES = ("api", "ajax-api")
VERSIONS = ("2.0", "3.0")


class Empty(msgspec.Struct, frozen=True):
    """The reply of a call that has nothing to say: ``{}``."""


@dataclass(frozen=True, eq=False)
class Call(Generic[Request, Reply]):
    """One method of the REST API.

    Attributes:
        name: the function that serves it, and its heading in the documents.
        verbs: HTTP methods; the first is the one that our client uses.
        path: below ``{family}/``; ``{field}`` is a path segment that fills that field of the request,
            ``{field...}`` the rest of the path.
        action: the right that it needs.
        max_body: bytes of JSON accepted.
    """

    name: str
    verbs: tuple[Verb, ...]
    path: str
    request: type[Request]
    reply: type[Reply]
    action: Action
    family: Family = "mlflow"
    max_body: int = limits.JSON_BODY

    @property
    def summary(self) -> str:
        """The first line of the request's docstring."""
        return (self.request.__doc__ or "").strip().split("\n", 1)[0]

    def url_path(self, version: str = "2.0", prefix: str = "api") -> str:
        """Below the tracking URI, without a leading slash: ``api/2.0/mlflow/runs/create``."""
        tail = f"/{self.path}" if self.path else ""
        return f"{prefix}/{version}/{self.family}{tail}"
