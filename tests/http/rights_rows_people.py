"""Who may do what: the rows of accounts, tokens, quotas and the ledger, and of the pages for browsers."""

from __future__ import annotations

from jupyter_tracking.protocol import audit, quotas, tokens, users
from tests.http.rights_row import ADMIN, ANYONE, KNOWN, READER, Ask, Row, call_row, route_row
from tests.http.rights_scene import OURS, Site, Things

PASSWORD = "long enough to be taken"
_HTML = {"Accept": "text/html"}
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def _guest(things: Things) -> str:
    return f"guest-{things.run}"


def _make_guest(site: Site, things: Things) -> None:
    site.call("admin", "users/create", {"username": _guest(things), "password": PASSWORD})


def _limit_guest(site: Site, things: Things) -> None:
    quota = {"kind": "user", "name": _guest(things), "max_runs": 1}
    site.call("admin", f"{OURS}/quotas/set", quota)


PEOPLE_ROWS: tuple[Row, ...] = (
    call_row(tokens.create_token, KNOWN, lambda _: {}),
    call_row(tokens.list_tokens, KNOWN, lambda _: {}),
    # Others' tokens are there for nobody; those of one's own are another test's.
    call_row(tokens.revoke_token, KNOWN, lambda _: {"id": "none"}, status=404),
    call_row(users.create_user, ADMIN, lambda t: {"username": _guest(t), "password": PASSWORD}),
    call_row(users.get_user, ADMIN, lambda _: {"username": "owner"}, but={"owner": 200, "read-only": 200}),
    call_row(users.get_current_user, KNOWN, lambda _: {}),
    call_row(users.list_users, ADMIN, lambda _: {}),
    call_row(
        users.update_user_password,
        ADMIN,
        lambda t: {"username": _guest(t), "password": PASSWORD},
        prepare=_make_guest,
    ),
    call_row(
        users.update_user_admin,
        ADMIN,
        lambda t: {"username": _guest(t), "is_admin": True},
        prepare=_make_guest,
    ),
    call_row(users.delete_user, ADMIN, lambda t: {"username": _guest(t)}, prepare=_make_guest),
    call_row(quotas.get_usage, KNOWN, lambda _: {}),
    call_row(quotas.list_usage, ADMIN, lambda _: {}),
    call_row(quotas.set_quota, ADMIN, lambda t: {"kind": "user", "name": _guest(t), "max_runs": 1}),
    call_row(quotas.remove_quota, ADMIN, lambda t: {"kind": "user", "name": _guest(t)}, prepare=_limit_guest),
    call_row(audit.search_audit, ADMIN, lambda _: {}),
)

PAGE_ROWS: tuple[Row, ...] = (
    route_row("StartHandler.get", ANYONE, lambda _: Ask("GET", "/")),
    # Whoever has no session is shown the way to the form.
    route_row(
        "StartHandler.get page", KNOWN, lambda _: Ask("GET", "/", headers=_HTML), but={"anonymous": 200}
    ),
    route_row("ExperimentHandler.get", READER, lambda t: Ask("GET", f"/experiments/{t.experiment}")),
    route_row("RunHandler.get", READER, lambda t: Ask("GET", f"/runs/{t.run}")),
    route_row("AssetHandler.get", ANYONE, lambda _: Ask("GET", "/pages.css")),
    route_row("LoginHandler.get", ANYONE, lambda _: Ask("GET", "/login", headers=_HTML)),
    # Without the proof that the form was asked for here.
    route_row("LoginHandler.post", ANYONE, lambda _: Ask("POST", "/login", b"", _FORM), status=403),
    route_row("LogoutHandler.get", KNOWN, lambda _: Ask("GET", "/logout")),
    route_row("LogoutHandler.post", ANYONE, lambda _: Ask("POST", "/logout", b"", _FORM), status=403),
)
