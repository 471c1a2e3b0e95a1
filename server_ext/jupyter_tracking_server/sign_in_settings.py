"""The settings of the ways in which users of the standalone server sign in, beside passwords and tokens."""

from __future__ import annotations

from dataclasses import dataclass

from .setting import setting

__all__ = ["SignInSettings"]


@dataclass(frozen=True, kw_only=True)
class SignInSettings:
    """A part of ``Settings``: TLS, client certificates, a proxy that signs users in, an OpenID provider."""

    certfile: str = setting(
        "", "PEM file with the server's certificate, and those between it and its authority", standalone=True
    )
    keyfile: str = setting("", "PEM file with the certificate's key (default: --certfile)", standalone=True)
    client_ca: str = setting(
        "", "PEM file with the authorities whose certificates sign users in", standalone=True
    )
    client_certificates: str = setting(
        "optional",
        "optional: a client's certificate is one way to sign in; required: every client must show one",
        choices=("optional", "required"),
        standalone=True,
    )
    proxy_user_header: str = setting(
        "", "Header by which a trusted proxy names the user that it has signed in", standalone=True
    )
    proxy_groups_header: str = setting(
        "", "Header by which it names their groups, separated by commas", standalone=True
    )
    trusted_proxies: str = setting(
        "", "Addresses or networks of the proxies that are trusted, separated by commas", standalone=True
    )
    oidc_issuer: str = setting(
        "", "OpenID provider at which users of --auth users may sign in with a browser", standalone=True
    )
    oidc_client_id: str = setting("", "By what the provider knows this server", standalone=True)
    oidc_client_secret_file: str = setting(
        "",
        "File with the secret that the provider gave this server "
        "(default: the variable JUPYTER_TRACKING_OIDC_CLIENT_SECRET)",
        standalone=True,
    )
    oidc_scopes: str = setting("openid profile email", "What the provider is asked for", standalone=True)
    oidc_user_claim: str = setting(
        "preferred_username", "Claim with the user's name; it must be unique at the provider", standalone=True
    )
    oidc_groups_claim: str = setting("", "Claim with the names of the user's groups", standalone=True)
    oidc_admin_group: str = setting("", "Group whose members are administrators", standalone=True)
    oidc_only: bool = setting(
        False, "Let browsers sign in at the provider alone, without a form for passwords", standalone=True
    )
