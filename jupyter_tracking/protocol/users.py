"""Users of the standalone server: the calls by which MLflow's client of its basic-auth keeps accounts."""

from __future__ import annotations

import unicodedata
from typing import Annotated

import msgspec
from msgspec import Meta

from .call import Call, Empty
from .errors import InvalidParameterValue
from .permissions import ExperimentPermission

LONGEST_NAME = 255


def check_name(name: str, field: str) -> None:
    """Refuse what cannot name a user or a group.

    A colon would end the name in a ``Basic`` header, and what cannot be seen makes two names look alike.

    Raises:
        InvalidParameterValue: naming ``field``.
    """
    if not 1 <= len(name) <= LONGEST_NAME:
        raise InvalidParameterValue(f"'{field}' must have between 1 and {LONGEST_NAME} characters.")
    if name != name.strip() or ":" in name:
        raise InvalidParameterValue(f"'{field}' must not hold a colon, nor begin or end with a space.")
    if any(unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for character in name):
        raise InvalidParameterValue(f"'{field}' must not hold characters that cannot be seen.")


UserName = Annotated[str, Meta(min_length=1, max_length=LONGEST_NAME)]
Password = Annotated[str, Meta(max_length=1024)]


class User(msgspec.Struct, frozen=True):
    """An account; ``id`` is its name, as there are no numbers.

    Clients of MLflow 2 want both lists; roles that the user has as a member of groups are not in them.
    """

    id: str
    username: str
    is_admin: bool
    groups: list[str]
    experiment_permissions: list[ExperimentPermission]
    registered_model_permissions: list[ExperimentPermission] = []


class UserReply(msgspec.Struct, frozen=True):
    """One account."""

    user: User


class CurrentUserReply(msgspec.Struct, frozen=True):
    """The caller's account; ``is_basic_auth`` says whether a password was sent."""

    user: User
    is_basic_auth: bool


class UsersReply(msgspec.Struct, frozen=True):
    """Accounts by name."""

    users: list[User]


class CreateUser(msgspec.Struct, frozen=True):
    """Make an account with a password; administrators only."""

    username: UserName
    password: Password


class GetUser(msgspec.Struct, frozen=True):
    """One account: one's own, or for administrators anybody's."""

    username: UserName


class GetCurrentUser(msgspec.Struct, frozen=True):
    """The caller's own account."""


class ListUsers(msgspec.Struct, frozen=True):
    """All accounts; administrators only."""


class UpdateUserPassword(msgspec.Struct, frozen=True):
    """Replace a password: one's own by giving the present one, too, or for administrators anybody's."""

    username: UserName
    password: Password
    current_password: Password = ""


class UpdateUserAdmin(msgspec.Struct, frozen=True):
    """Make a user an administrator, or no longer one; administrators only."""

    username: UserName
    is_admin: bool


class DeleteUser(msgspec.Struct, frozen=True):
    """Remove an account with its tokens, groups and roles; administrators only."""

    username: UserName


create_user = Call("create_user", ("POST",), "users/create", CreateUser, UserReply, "admin")
get_user = Call("get_user", ("GET",), "users/get", GetUser, UserReply, "read")
get_current_user = Call(
    "get_current_user", ("GET",), "users/current", GetCurrentUser, CurrentUserReply, "read"
)
list_users = Call("list_users", ("GET",), "users/list", ListUsers, UsersReply, "admin")
update_user_password = Call(
    "update_user_password", ("PATCH",), "users/update-password", UpdateUserPassword, Empty, "write"
)
update_user_admin = Call(
    "update_user_admin", ("PATCH",), "users/update-admin", UpdateUserAdmin, Empty, "admin"
)
delete_user = Call("delete_user", ("DELETE",), "users/delete", DeleteUser, Empty, "admin")
