"""By which names a server may be called, and from which pages."""

from __future__ import annotations

import pytest

from jupyter_tracking.protocol.errors import InvalidParameterValue, PermissionDenied
from jupyter_tracking_server.config import ConfigurationError
from jupyter_tracking_server.http.gate import Gate, check_json, check_site

EVIL = [
    "evil.example",
    "10.evil.example",
    "192.168.evil.example",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "localhost:80@evil.example",
    "evil.example:localhost",
    "evil.example#localhost",
    "localhost:80:80",
    "localhost.",
    "[::1].evil.example",
    "[::1",
    "[localhost]",
    "::1",
    "2130706433",
    "0x7f.1",
    "127.1",
    "localhost evil",
    "localhost\tx",
    "locаlhost",
    "",
    ":80",
    "localhost:",
    "8.8.8.8",
    "10.0.0.1",
    "[fe80::1]",
]


@pytest.mark.parametrize("host", EVIL)
def test_a_loopback_server_has_no_other_name(host: str) -> None:
    with pytest.raises(PermissionDenied, match="--allowed-hosts"):
        Gate("127.0.0.1").check_host(host)


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:5000", "127.0.0.1", "127.0.0.1:80", "[::1]:1", "127.9.9.9"]
)
def test_loopback_is_always_a_name(host: str) -> None:
    gate = Gate("127.0.0.1")
    gate.check_host(host)
    gate.check_host(host)


def test_a_server_on_one_address_has_that_name_too() -> None:
    gate = Gate("10.1.2.3")
    gate.check_host("10.1.2.3:5000")
    with pytest.raises(PermissionDenied):
        gate.check_host("10.1.2.4:5000")


@pytest.mark.parametrize("listening", ["0.0.0.0", "::", ""])
def test_a_server_on_every_interface_takes_private_addresses_but_no_names(listening: str) -> None:
    gate = Gate(listening)
    for host in ("10.1.2.3", "192.168.0.9:5000", "172.17.0.2", "[fd00::1]:5000"):
        gate.check_host(host)
    for host in ("8.8.8.8", "10.evil.example", "evil.example", "192.168.0.9.nip.example"):
        with pytest.raises(PermissionDenied):
            gate.check_host(host)


def test_further_names_addresses_and_networks() -> None:
    gate = Gate("0.0.0.0", "Tracking.Example, other.example:5000, 8.8.4.0/24, [2600:1::1]:80, wide.example:*")
    for host in ("tracking.example", "other.example:1", "8.8.4.7", "[2600:1:0::1]", "wide.example"):
        gate.check_host(host)
    for host in ("xtracking.example", "tracking.example.evil.example", "8.8.5.7", "[2600:1::2]"):
        with pytest.raises(PermissionDenied):
            gate.check_host(host)


def test_a_star_allows_any_name() -> None:
    Gate("127.0.0.1", "*").check_host("evil.example")


@pytest.mark.parametrize("entry", ["10.*", "*.example.com", "http://x.example", "a b", "user@host"])
def test_patterns_are_refused(entry: str) -> None:
    with pytest.raises(ConfigurationError, match="allowed-hosts"):
        Gate("127.0.0.1", entry)


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "nonsense"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://localhost:9999"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost:9999"},
    ],
)
def test_pages_of_other_sites_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(PermissionDenied):
        check_site(headers, "localhost:5000")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://localhost:5000"},
        {"Origin": "https://LOCALHOST:5000", "Sec-Fetch-Site": "same-origin"},
    ],
)
def test_own_pages_and_programs_pass(headers: dict[str, str]) -> None:
    check_site(headers, "localhost:5000")


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonp", "x"]
)
def test_a_body_must_say_that_it_is_json(kind: str) -> None:
    with pytest.raises(InvalidParameterValue, match="Content-Type"):
        check_json(kind)


def test_json_may_have_parameters() -> None:
    check_json("application/json")
    check_json("Application/JSON; charset=utf-8")
