"""From what a provider says of a user to an account of ours.

The provider's word is kept with the account, so that the user's tokens have the same groups and rights; it is
renewed at each login.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from jupyter_tracking.protocol.errors import InvalidParameterValue, PermissionDenied
from jupyter_tracking.protocol.users import LONGEST_NAME, check_name

from ..store import memberships, users
from ..store.database import Transaction

__all__ = ["ClaimNames", "Described", "described", "welcome"]


class ClaimNames(NamedTuple):
    """Which claims are read; "" for none.

    Attributes:
        user: the claim with the user's name here.
        groups: the one with the names of groups.
        admin_group: whose members are administrators.
    """

    user: str
    groups: str
    admin_group: str


class Described(NamedTuple):
    """A user as the provider describes them; None for what it is not asked."""

    user: str
    groups: frozenset[str] | None
    admin: bool | None


def described(claims: Mapping[str, Any], names: ClaimNames) -> Described:
    """What the claims say.

    Raises:
        PermissionDenied: they do not tell who the user is; the message says what to change.
    """
    user = _claim(claims, names.user)
    try:
        if not isinstance(user, str):
            raise InvalidParameterValue("it is missing")  # noqa: TRY301 - one message for both
        check_name(user, names.user)
    except InvalidParameterValue as error:
        raise PermissionDenied(
            f"The sign-in service does not tell a usable name of yours in {names.user!r} ({error.message}); "
            "the administrator can choose another claim with --oidc-user-claim."
        ) from None
    if names.user == "email" and claims.get("email_verified") is not True:
        raise PermissionDenied("The sign-in service has not verified that the e-mail address is yours.")
    groups = _groups(_claim(claims, names.groups)) if names.groups else None
    admin = names.admin_group in (groups or ()) if names.admin_group else None
    return Described(user, groups, admin)


def welcome(tx: Transaction, one: Described, at: int) -> None:
    """Keep what the provider said; the account is made when its user first comes.

    Raises:
        PermissionDenied: the account belongs to somebody who signs in with a password here.
    """
    account = users.ensure(tx, one.user, at)
    if account.password is not None:
        # Who may choose a name at the provider could else take over an account here.
        raise PermissionDenied(
            f"{one.user!r} has a password on this server: sign in with that, or have an administrator make "
            "the account one without."
        )
    if one.groups is not None:
        memberships.replace(tx, one.user, one.groups)
    if one.admin is not None:
        users.set_admin(tx, one.user, one.admin)


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name, or by a path with dots through objects, as ``realm_access.roles``."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _groups(value: Any) -> frozenset[str]:
    found = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return frozenset(item for item in found if isinstance(item, str) and 1 <= len(item) <= LONGEST_NAME)
