"""A browser without scripts: it keeps cookies, asks for pages, and sends the forms that it finds on them."""

from __future__ import annotations

import html
import re
import subprocess
import sys
from collections.abc import Mapping
from urllib.parse import urlsplit

import requests

__all__ = ["PASSWORD", "Visitor", "make_user", "set_password"]

PASSWORD = "correct horse battery"
_FIELD = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')


def make_user(database: str, user: str, password: str = PASSWORD) -> None:
    """Make an account with a password."""
    _command(database, password, "user", "create", user, "--password-stdin")


def set_password(database: str, user: str, password: str = PASSWORD) -> None:
    """Give an account that is there a password."""
    _command(database, password, "user", "password", user, "--password-stdin")


def _command(database: str, given: str, *words: str) -> None:
    command = [sys.executable, "-m", "jupyter_tracking_server", *words, "--backend-store-uri", database]
    subprocess.run(command, input=f"{given}\n".encode(), check=True, stdout=subprocess.DEVNULL)


class Visitor:
    """One browser, with an empty profile.

    Attributes:
        url: the server's root.
        session: its connection and cookies.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Accept"] = "text/html,application/xhtml+xml,*/*;q=0.8"

    def get(self, path: str, **headers: str) -> requests.Response:
        """Ask once; redirects are not followed. ``path`` may be a whole address."""
        url = path if path.startswith("http") else self.url + path
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.session.get(url, headers=named, allow_redirects=False, timeout=60)

    def post(self, path: str, data: Mapping[str, str] | bytes, **headers: str) -> requests.Response:
        """Send a form, as from a page of the server's own."""
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(self.url))
        named = {"Origin": origin, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return self.session.post(self.url + path, data=data, headers=named, allow_redirects=False, timeout=60)

    def fields(self, path: str) -> dict[str, str]:
        """The hidden fields of the form on a page."""
        return {name: html.unescape(value) for name, value in _FIELD.findall(self.get(path).text)}

    def sign_in(self, user: str, password: str = PASSWORD, after: str = "/") -> requests.Response:
        """Fill in the form of the login page."""
        fields = self.fields(f"/login?next={after}")
        return self.post("/login", {**fields, "user": user, "password": password})

    @property
    def session_cookie(self) -> str:
        """The value of the session's cookie; "" without one."""
        found = [c.value or "" for c in self.session.cookies if "-session-" in c.name]
        return found[0] if found else ""

    def whoami(self) -> requests.Response:
        """What the server takes it for."""
        return self.get("/api/2.0/jupyter-tracking/whoami", Accept="application/json")
