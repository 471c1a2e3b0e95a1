"""Which container of which Azure account, and by what right: the destination and the environment.

The rights, in the order in which they are looked for, under the names that MLflow and Azure's tools know:

* ``AZURE_STORAGE_CONNECTION_STRING``: a key or a shared access signature, and maybe an endpoint;
* ``AZURE_STORAGE_ACCESS_KEY`` or ``AZURE_STORAGE_ACCOUNT_KEY``;
* ``AZURE_STORAGE_SAS_TOKEN``;
* else what ``azure-identity`` finds: a service principal, a workload's or machine's identity, ``az login``.

``AZURE_STORAGE_ENDPOINT`` names a place other than ``https://<account>.blob.core.windows.net``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from .registry import UnusableDestination

if TYPE_CHECKING:
    from obstore.store import AzureCredential

__all__ = ["Account", "find_account"]

FORM = "wasbs://<container>@<account>.blob.core.windows.net/<folder>"
SCOPE = "https://storage.azure.com/.default"

_CONTAINER = re.compile(r"\$root|(?=.{3,63}$)[a-z0-9](-?[a-z0-9])*")
_HOST = re.compile(r"([a-z0-9]{3,24})((?:\.z[0-9]+)?)\.(?:blob|dfs)\.([a-z0-9.-]+)")


@dataclass(frozen=True)
class Account:
    """A container, and what opens it.

    Attributes:
        name: of the account.
        container: its name.
        folder: below which the artifacts are, without slashes at its ends; ``""`` for the container itself.
        endpoint: where the account's blobs are, without a slash at its end.
        url: the destination in the words of whoever gave it.
        credential: a key, a signature or a token, which is good for some minutes at least.
        has_key: whether the credential is a key, which can make signatures.
    """

    name: str
    container: str
    folder: str
    endpoint: str
    url: str
    credential: Callable[[], AzureCredential] = field(repr=False)
    has_key: bool


def find_account(destination: str, environment: Mapping[str, str]) -> Account:
    """The container that a destination names.

    Raises:
        UnusableDestination: it names none, or the environment says something else or nothing of use.
    """
    url = urlsplit(destination)
    container, _, host = url.netloc.rpartition("@")
    found = _HOST.fullmatch(host.lower())
    if not _CONTAINER.fullmatch(container) or found is None or url.query or url.fragment:
        raise UnusableDestination(
            f"Artifacts in Azure are kept at {FORM} or the abfss:// form of it, without a key or signature "
            "in it; the container's name has 3 to 63 small letters, digits and single hyphens."
        )
    name, zone, suffix = found.groups()
    words = _connection_words(environment.get("AZURE_STORAGE_CONNECTION_STRING", ""), name)
    endpoint = words.get("blobendpoint") or environment.get("AZURE_STORAGE_ENDPOINT")
    credential, has_key = _credential(words, environment)
    return Account(
        name=name,
        container=container,
        folder=unquote(url.path).strip("/"),
        endpoint=(endpoint or f"https://{name}{zone}.blob.{suffix}").rstrip("/"),
        url=f"{url.scheme.lower()}://{container}@{host.lower()}{url.path.rstrip('/')}",
        credential=credential,
        has_key=has_key,
    )


def _connection_words(connection: str, account: str) -> dict[str, str]:
    """What a connection string says, by its words in small letters.

    Raises:
        UnusableDestination: it is of another account, or no connection string.
    """
    if not connection:
        return {}
    words = {
        word.strip().lower(): value.strip()
        for word, _, value in (part.partition("=") for part in connection.split(";") if part.strip())
    }
    if "accountkey" not in words and "sharedaccesssignature" not in words:
        raise UnusableDestination(
            "AZURE_STORAGE_CONNECTION_STRING has neither AccountKey=… nor SharedAccessSignature=…; copy it "
            "whole from the storage account's page 'Access keys', or unset it."
        )
    if words.get("accountname", account) != account:
        raise UnusableDestination(
            f"AZURE_STORAGE_CONNECTION_STRING is of the account {words['accountname']}, but the artifacts' "
            f"destination is in {account}; change one of them."
        )
    return words


def _credential(
    words: Mapping[str, str], environment: Mapping[str, str]
) -> tuple[Callable[[], AzureCredential], bool]:
    if words:
        key, signature = words.get("accountkey", ""), words.get("sharedaccesssignature", "")
    else:
        key = environment.get("AZURE_STORAGE_ACCESS_KEY") or environment.get("AZURE_STORAGE_ACCOUNT_KEY", "")
        signature = environment.get("AZURE_STORAGE_SAS_TOKEN", "")
    if key:
        return (lambda: {"access_key": key, "expires_at": None}), True
    if signature:
        return (lambda: {"sas_token": signature.lstrip("?"), "expires_at": None}), False
    return _identity(), False


def _identity() -> Callable[[], AzureCredential]:
    """Tokens of whoever this process runs as; ``azure-identity`` keeps them and renews them in time."""
    try:
        from azure.identity import DefaultAzureCredential  # noqa: PLC0415 - not needed with a key
    except ImportError as error:
        raise UnusableDestination(
            "The environment has no AZURE_STORAGE_CONNECTION_STRING, AZURE_STORAGE_ACCESS_KEY or "
            "AZURE_STORAGE_SAS_TOKEN. Set one of them; or, for a service principal or a managed identity, "
            "run: pip install 'jupyter-tracking[azure]'"
        ) from error
    identity = DefaultAzureCredential()

    def token() -> AzureCredential:
        found = identity.get_token(SCOPE)
        return {"token": found.token, "expires_at": datetime.fromtimestamp(found.expires_on, timezone.utc)}

    return token
