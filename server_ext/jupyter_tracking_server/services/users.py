"""Rules of accounts: administrators keep them, and users change their own password."""

from __future__ import annotations

from functools import partial

from jupyter_tracking.protocol import Empty
from jupyter_tracking.protocol import users as wire
from jupyter_tracking.protocol.errors import (
    InvalidParameterValue,
    PermissionDenied,
    ResourceAlreadyExists,
    ResourceDoesNotExist,
)
from jupyter_tracking.protocol.permissions import ExperimentPermission
from jupyter_tracking.protocol.users import User, check_name

from .. import password_hash
from ..context import Context, FilesContext
from ..identity.attempts import Attempts
from ..store import grants, memberships, users
from ..store.users import Account
from . import accounts
from .permissions import PERMISSIONS

__all__ = [
    "create_user",
    "delete_user",
    "get_current_user",
    "get_user",
    "list_users",
    "update_user_admin",
    "update_user_password",
]

_attempts = Attempts()
"""Wrong present passwords, whichever way the caller had signed in."""


async def create_user(context: FilesContext, request: wire.CreateUser) -> wire.UserReply:
    """Make an account.

    Raises:
        InvalidParameterValue: the name or the password is none.
        ResourceAlreadyExists: the name is taken.
    """
    accounts.check_kept(context.settings)
    check_name(request.username, "username")
    digest = await password_hash.digest_of(request.password)

    def work(inside: Context) -> wire.UserReply:
        account = Account(request.username, digest, False, inside.now())
        if not users.add(inside.tx, account):
            raise ResourceAlreadyExists(f"User (username={request.username}) already exists.")
        return wire.UserReply(_user(inside, account))

    return await context.write(work)


def get_user(context: Context, request: wire.GetUser) -> wire.UserReply:
    """One account.

    Raises:
        PermissionDenied: it is another's, or would be.
        ResourceDoesNotExist: there is none.
    """
    accounts.check_kept(context.settings)
    if request.username != context.caller.user:
        context.require("admin", None)
    return wire.UserReply(_user(context, _account(context, request.username)))


def get_current_user(context: Context, request: wire.GetCurrentUser) -> wire.CurrentUserReply:
    """The caller, who may have no account, if somebody else vouches for them."""
    del request
    accounts.check_kept(context.settings)
    caller = context.caller
    account = users.get(context.tx, caller.user) or Account(caller.user, None, caller.admin, 0)
    return wire.CurrentUserReply(_user(context, account), caller.how == "password")


def list_users(context: Context, request: wire.ListUsers) -> wire.UsersReply:
    """All accounts, without what was granted to each."""
    del request
    accounts.check_kept(context.settings)
    return wire.UsersReply([_user(context, account, whole=False) for account in users.listed(context.tx)])


async def update_user_password(context: FilesContext, request: wire.UpdateUserPassword) -> Empty:
    """Replace a password; what was signed in with the old one ends within 30 seconds.

    Raises:
        PermissionDenied: it is another's.
        ResourceDoesNotExist: there is no such account.
        InvalidParameterValue: the new password is none, or the present one was not given or is another.
        Unauthenticated: too many present ones were wrong.
    """
    accounts.check_kept(context.settings)
    name = request.username
    own = name == context.caller.user
    if not own:
        await context.read(lambda inside: inside.require("admin", None))
    account = await context.read(partial(_account, name=name))
    if own:
        await _check_present(account, request.current_password)
    digest = await password_hash.digest_of(request.password)
    if not await context.write(lambda inside: users.set_password(inside.tx, name, digest)):
        raise _missing(name)
    return Empty()


async def _check_present(account: Account, password: str) -> None:
    """Who holds no more than a credential of the user shall not lock them out."""
    if account.password is None:
        raise PermissionDenied("You have no password here yet; an administrator can give you a first one.")
    if not password:
        raise InvalidParameterValue("'current_password' is needed to change your own password.")
    _attempts.check(account.name, "")
    if not await password_hash.fits(password, account.password):
        _attempts.note_wrong(account.name, "")
        raise InvalidParameterValue("'current_password' is not your present password.")


def update_user_admin(context: Context, request: wire.UpdateUserAdmin) -> Empty:
    """Make a user an administrator, or no longer one.

    Raises:
        ResourceDoesNotExist: there is no such account.
        PermissionDenied: nobody would be one.
    """
    accounts.check_kept(context.settings)
    if not users.set_admin(context.tx, request.username, request.is_admin):
        raise _missing(request.username)
    _keep_admin(context)
    return Empty()


def delete_user(context: Context, request: wire.DeleteUser) -> Empty:
    """Remove an account with its tokens, groups, roles, quota and share links.

    Raises:
        ResourceDoesNotExist: there is no such account.
        PermissionDenied: nobody would be administrator.
    """
    accounts.check_kept(context.settings)
    if not users.remove(context.tx, request.username):
        raise _missing(request.username)
    _keep_admin(context)
    context.access.forget()
    return Empty()


def _keep_admin(context: Context) -> None:
    if not users.has_admin(context.tx):
        raise PermissionDenied("There must be an administrator: make another one before this one goes.")


def _account(context: Context, name: str) -> Account:
    account = users.get(context.tx, name)
    if account is None:
        raise _missing(name)
    return account


def _missing(name: str) -> ResourceDoesNotExist:
    return ResourceDoesNotExist(f"User with username={name} not found")


def _user(context: Context, account: Account, whole: bool = True) -> User:
    held = [
        ExperimentPermission(str(experiment), account.name, PERMISSIONS[role])
        for experiment, role in (grants.held_by(context.tx, account.name) if whole else ())
    ]
    groups = sorted(memberships.groups_of(context.tx, account.name))
    return User(account.name, account.name, account.admin, groups, held)
