"""Share links: who makes them, what of, for how long, and how they end."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.services.conftest import Api, Refused, Reply

OURS = "api/2.0/jupyter-tracking"
DAY = 86_400_000
IPV = (400, "INVALID_PARAMETER_VALUE")
MISSING = (404, "RESOURCE_DOES_NOT_EXIST")


def create(api: Api, run: str, **more: Any) -> Reply:
    """A new link."""
    link: Reply = api.post("../jupyter-tracking/share-links/create", run_id=run, **more)["share_link"]
    return link


def listed(api: Api, **of: str) -> list[str]:
    """The ids of the links."""
    return [link["id"] for link in api.get("share-links/list", OURS, **of)["share_links"]]


def put(api: Api, run: str, name: str) -> None:
    """Store an artifact of a run."""
    experiment = api.read(run)["info"]["experiment_id"]
    url = f"{api.url}/api/2.0/mlflow-artifacts/artifacts/{experiment}/{run}/artifacts/{name}"
    assert api.session.put(url, data=b"x", timeout=60).status_code == 200


def status(api: Api, link: Reply) -> int:
    """What a link answers."""
    return api.session.get(link["url"], timeout=60).status_code


def test_a_link_works_for_seven_days_unless_told_otherwise(api: Api, run: str) -> None:
    before = time.time_ns() // 1_000_000
    link = create(api, run)
    assert before <= link["created"] <= time.time_ns() // 1_000_000
    assert link["expires"] - link["created"] == 7 * DAY
    assert (link["run_id"], link["path"]) == (run, "")
    assert link["url"].startswith(f"{api.url}/share/")
    assert len(link["url"].rpartition("/")[2]) >= 43  # 256 bits in base64
    longest = create(api, run, expires_in=365 * DAY // 1000)
    assert longest["expires"] - longest["created"] == 365 * DAY


@pytest.mark.parametrize("expires_in", [0, -1, 365 * DAY // 1000 + 1, "soon", 2**70])
def test_a_link_lives_from_a_second_to_a_year(api: Api, run: str, expires_in: object) -> None:
    with pytest.raises(Refused, match="expires_in") as caught:
        create(api, run, expires_in=expires_in)
    assert caught.value.verdict == IPV


def test_the_secret_is_told_once(api: Api, run: str) -> None:
    link = create(api, run)
    secret = link["url"].rpartition("/")[2]
    reply = api.get("share-links/list", OURS, run_id=run)
    assert reply["share_links"] == [{name: value for name, value in link.items() if name != "url"}]
    assert secret not in str(reply)


def test_links_are_listed_by_run_and_by_experiment(api: Api, experiment: str, run: str) -> None:
    other = api.run(experiment)
    made = [create(api, run)["id"], create(api, run)["id"], create(api, other)["id"]]
    assert set(listed(api, run_id=run)) == set(made[:2])
    assert set(listed(api, experiment_id=experiment)) == set(made)
    assert listed(api, run_id=api.run(experiment)) == []


@pytest.mark.parametrize("of", [{}, {"run_id": "r", "experiment_id": "0"}])
def test_links_are_listed_of_one_thing(api: Api, of: dict[str, str]) -> None:
    with pytest.raises(Refused, match="either 'run_id' or 'experiment_id'") as caught:
        listed(api, **of)
    assert caught.value.verdict == IPV


def test_a_revoked_link_is_gone(api: Api, run: str) -> None:
    link, other = create(api, run), create(api, run)
    assert status(api, link) == 200
    assert api.post("../jupyter-tracking/share-links/revoke", id=link["id"]) == {}
    assert (status(api, link), status(api, other)) == (404, 200)
    assert listed(api, run_id=run) == [other["id"]]
    with pytest.raises(Refused, match=link["id"]) as caught:
        api.post("../jupyter-tracking/share-links/revoke", id=link["id"])
    assert caught.value.verdict == MISSING


def test_an_expired_link_is_gone(api: Api, run: str) -> None:
    link, other = create(api, run, expires_in=1), create(api, run)
    deadline = time.monotonic() + 30
    while status(api, link) == 200:
        assert time.monotonic() < deadline
    assert time.time_ns() // 1_000_000 >= link["expires"]
    assert status(api, link) == 404
    assert listed(api, run_id=run) == [other["id"]]
    create(api, run)
    with pytest.raises(Refused, match="No share link"):
        api.post("../jupyter-tracking/share-links/revoke", id=link["id"])


def test_a_path_must_be_there(api: Api, run: str) -> None:
    put(api, run, "folder/file.txt")
    assert create(api, run, path="folder/file.txt")["path"] == "folder/file.txt"
    assert create(api, run, path="folder/")["path"] == "folder"
    with pytest.raises(Refused, match="folder/none") as caught:
        create(api, run, path="folder/none")
    assert caught.value.verdict == MISSING


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/passwd", "a//b", "C:/x", "a\\b"])
def test_a_path_stays_in_the_run(api: Api, run: str, path: str) -> None:
    with pytest.raises(Refused, match="Invalid path") as caught:
        create(api, run, path=path)
    assert caught.value.verdict == IPV


def test_a_run_must_be_there_and_not_be_deleted(api: Api, run: str) -> None:
    with pytest.raises(Refused) as caught:
        create(api, "0" * 32)
    assert caught.value.verdict == MISSING
    api.post("runs/delete", run_id=run)
    with pytest.raises(Refused, match="must be in the 'active' state") as caught:
        create(api, run)
    assert caught.value.verdict == IPV


def test_a_link_to_a_deleted_run_waits_for_its_return(api: Api, run: str) -> None:
    link = create(api, run)
    api.post("runs/delete", run_id=run)
    assert status(api, link) == 404
    api.post("runs/restore", run_id=run)
    assert status(api, link) == 200
