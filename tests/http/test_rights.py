"""What the matrix cannot say: ids inside of bodies, searches, names, places, and the experiment 0."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.http.rights_scene import (
    API,
    GROUP,
    NOWHERE,
    OURS,
    PROXY,
    Site,
    Things,
    make_things,
    state,
)
from tests.http.rights_site import command, join

METRIC = {"key": "m", "value": 2.5, "timestamp": 1}


@pytest.fixture
def things(site: Site) -> Things:
    return make_things(site)


def own_run(site: Site, who: str) -> str:
    run: str = site.call(who, "runs/create", {})["run"]["info"]["run_id"]
    return run


def refusal(site: Site, who: str, path: str, body: object, verb: str = "POST") -> tuple[int, str, str]:
    """Status, error code and message of a request that must fail."""
    answer = site.send(who, verb, f"{API}/{path}", body)
    assert answer.status >= 400, answer
    return answer.status, answer.error_code, answer.json()["message"]


def search(site: Site, who: str, path: str, what: str, body: Mapping[str, Any]) -> list[Any]:
    """All that a search finds, page by page."""
    found: list[Any] = []
    token = ""
    while True:
        reply = site.call(who, path, {**body, **({"page_token": token} if token else {})})
        found += reply.get(what, [])
        token = reply.get("next_page_token", "")
        if not token:
            return found


def numbers(experiments: list[Any]) -> set[str]:
    return {experiment["experiment_id"] for experiment in experiments}


def test_a_metric_of_anothers_model_is_one_of_no_model(site: Site, things: Things) -> None:
    run = own_run(site, "stranger")

    def tried(model: str) -> tuple[int, str, str]:
        status, code, message = refusal(
            site, "stranger", "runs/log-metric", {"run_id": run, "model_id": model, **METRIC}
        )
        return status, code, message.replace(model, "M")

    assert tried(things.model) == tried(NOWHERE.model)
    assert tried(things.model)[:2] == (404, "RESOURCE_DOES_NOT_EXIST")


def test_a_batch_with_a_metric_of_anothers_model_leaves_nothing_behind(site: Site, things: Things) -> None:
    run = own_run(site, "stranger")
    metrics = [METRIC, {**METRIC, "model_id": things.model}]
    batch = {"run_id": run, "metrics": metrics, "params": [{"key": "p", "value": "v"}]}
    assert refusal(site, "stranger", "runs/log-batch", batch)[0] == 404
    data = site.call("stranger", f"runs/get?run_id={run}", None, "GET")["run"]["data"]
    assert set(data) == {"tags"}


def test_a_metric_of_a_model_needs_the_right_to_write_to_the_model(site: Site, things: Things) -> None:
    point = {"run_id": own_run(site, "reader"), "model_id": things.model, **METRIC}
    assert refusal(site, "reader", "runs/log-metric", point)[:2] == (403, "PERMISSION_DENIED")
    point["run_id"] = own_run(site, "editor")
    site.call("editor", "runs/log-metric", point)
    model = site.call("owner", f"logged-models/{things.model}", None, "GET")["model"]
    assert [metric["value"] for metric in model["data"]["metrics"]] == [2.5]


@pytest.mark.parametrize("path", ["runs/log-inputs", "runs/outputs"])
def test_others_models_as_inputs_and_outputs_are_but_a_text(path: str, site: Site, things: Things) -> None:
    run, before = own_run(site, "stranger"), state(site, things)
    for model in (things.model, NOWHERE.model):
        assert site.call("stranger", path, {"run_id": run, "models": [{"model_id": model}]}) == {}
    assert state(site, things) == before


def test_a_model_may_name_any_run_as_its_source_and_learns_nothing_of_it(site: Site, things: Things) -> None:
    before = state(site, things)
    for run in (things.run, NOWHERE.run):
        made = site.call("stranger", "logged-models", {"experiment_id": "0", "source_run_id": run})
        assert made["model"]["info"]["source_run_id"] == run
    assert state(site, things) == before


def test_searches_of_runs_leave_foreign_ones_out_on_each_page(site: Site) -> None:
    me, other = join(site), join(site)
    made: dict[str, list[Any]] = {me: [], other: []}
    for start in range(5):
        for who in (me, other):
            made[who].append(site.call(who, "runs/create", {"start_time": start})["run"]["info"])
    mine, theirs = made[me][0]["experiment_id"], made[other][0]["experiment_id"]
    body = {"experiment_ids": [theirs, mine, NOWHERE.experiment], "max_results": 2}
    found = search(site, me, "runs/search", "runs", body)
    assert [run["info"]["run_id"] for run in found] == [run["run_id"] for run in reversed(made[me])]


def test_searches_of_models_and_experiments_leave_foreign_ones_out_on_each_page(
    site: Site, things: Things
) -> None:
    who = join(site)
    own = [
        site.call(who, "experiments/create", {"name": f"e{number}"})["experiment_id"] for number in range(3)
    ]
    models = [
        site.call(who, "logged-models", {"experiment_id": number})["model"]["info"]["model_id"]
        for number in own
    ]
    assert numbers(search(site, who, "experiments/search", "experiments", {"max_results": 1})) == set(own)
    ids = [things.experiment, *own]
    found = search(site, who, "logged-models/search", "models", {"experiment_ids": ids, "max_results": 1})
    assert {model["info"]["model_id"] for model in found} == set(models)
    everything = numbers(search(site, "admin", "experiments/search", "experiments", {"max_results": 2}))
    assert everything > {things.experiment, *own}


def test_the_root_of_the_proxy_shows_what_one_may_see(site: Site, things: Things) -> None:
    who = join(site)
    run = site.call(who, "runs/create", {})["run"]["info"]
    uri = run["artifact_uri"].removeprefix("mlflow-artifacts:/")
    assert site.send(who, "PUT", f"{PROXY}/artifacts/{uri}/a.txt", b"a").status == 200

    def listed(caller: str) -> list[str]:
        paths, token = list[str](), ""
        while True:
            query = f"max_results=1{f'&page_token={token}' if token else ''}"
            reply = site.call(caller, f"{PROXY}/artifacts?{query}", None, "GET")
            paths += [entry["path"] for entry in reply.get("files", [])]
            token = reply.get("next_page_token", "")
            if not token:
                return paths

    assert listed(who) == [run["experiment_id"]]
    assert set(listed("admin")) >= {run["experiment_id"], things.experiment}
    assert site.call(who, f"{PROXY}/artifacts?path={things.experiment}", None, "GET") == {}


@pytest.mark.parametrize(
    "location",
    [
        "mlflow-artifacts:/{}/mine",
        "mlflow-artifacts:/99999",
        "mlflow-artifacts://elsewhere/7",
        "http://elsewhere/api/2.0/mlflow-artifacts/artifacts/7",
    ],
)
def test_only_administrators_choose_a_place_in_the_store(location: str, site: Site, things: Things) -> None:
    body = {"name": f"at {location} {things.run}", "artifact_location": location.format(things.experiment)}
    status, code, message = refusal(site, "owner", "experiments/create", body)
    assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
    assert "'artifact_location'" in message
    assert "Leave it out" in message
    site.call("admin", "experiments/create", body)


def test_a_place_elsewhere_is_anybodys_to_choose(site: Site, things: Things) -> None:
    body = {"name": f"elsewhere {things.run}", "artifact_location": "s3://bucket/mine"}
    number = site.call("owner", "experiments/create", body)["experiment_id"]
    found = site.call("owner", f"experiments/get?experiment_id={number}", None, "GET")
    assert found["experiment"]["artifact_location"] == "s3://bucket/mine"


def test_who_names_no_experiment_logs_to_an_own_default(site: Site) -> None:
    first, second = join(site), join(site)
    made = {}
    for who in (first, second, "admin"):
        info = site.call(who, "runs/create", {})["run"]["info"]
        again = site.call(who, "runs/create", {"experiment_id": "0"})["run"]["info"]
        assert info["experiment_id"] == again["experiment_id"] != "0"
        experiment = site.call(who, "experiments/get?experiment_id=0", None, "GET")["experiment"]
        assert (experiment["experiment_id"], experiment["name"]) == (info["experiment_id"], "Default")
        found = site.call(who, "runs/search", {"experiment_ids": ["0"]})["runs"]
        assert {run["info"]["run_id"] for run in found} >= {info["run_id"], again["run_id"]}
        made[who] = info
    assert len({info["experiment_id"] for info in made.values()}) == 3
    assert refusal(site, second, f"runs/get?run_id={made[first]['run_id']}", None, "GET")[0] == 404
    # By its name, too, it is one's own.
    named = site.call(second, "experiments/get-by-name?experiment_name=Default", None, "GET")["experiment"]
    assert named["experiment_id"] == made[second]["experiment_id"]


def test_before_there_is_a_default_it_is_not_there(site: Site) -> None:
    who = join(site)
    missing = refusal(site, who, f"experiments/get?experiment_id={NOWHERE.experiment}", None, "GET")
    message = missing[2].replace(NOWHERE.experiment, "0")
    assert refusal(site, who, "experiments/get?experiment_id=0", None, "GET") == (*missing[:2], message)
    assert site.call(who, "runs/search", {"experiment_ids": ["0"]}) == {}
    assert site.call(who, "logged-models/search", {"experiment_ids": ["0"]}) == {}
    assert site.call(who, "experiments/search-datasets", {"experiment_ids": ["0"]}) == {}


def test_a_token_that_may_only_read_makes_no_default(site: Site) -> None:
    answer = site.send("read-only", "POST", f"{API}/runs/create", {})
    assert (answer.status, answer.error_code) == (403, "PERMISSION_DENIED")


def test_a_model_without_an_experiment_goes_to_the_default_as_well(site: Site) -> None:
    who = join(site)
    model = site.call(who, "logged-models", {"experiment_id": "0"})["model"]["info"]
    assert model["experiment_id"] == site.call(who, "runs/create", {})["run"]["info"]["experiment_id"]
    found = site.call(who, "logged-models/search", {"experiment_ids": ["0"]})["models"]
    assert [one["info"]["model_id"] for one in found] == [model["model_id"]]


def test_names_are_taken_for_each_user_apart(site: Site) -> None:
    first, second = join(site), join(site)
    for who in (first, second):
        for name in ("same", "other"):
            site.call(who, "experiments/create", {"name": name})
    own = site.call(second, "experiments/get-by-name?experiment_name=same", None, "GET")["experiment"]
    rename = {"experiment_id": own["experiment_id"], "new_name": "other"}
    assert refusal(site, second, "experiments/update", rename)[:2] == (400, "RESOURCE_ALREADY_EXISTS")
    site.call(second, "experiments/update", {**rename, "new_name": "third"})
    site.call(first, "experiments/create", {"name": "third"})


def lose(site: Site, who: str, number: str) -> None:
    """Let somebody else own an experiment of ``who``, and nobody but them know of it."""
    grant = {"experiment_id": number, "kind": "user"}
    site.call(who, f"{OURS}/grants/set", {**grant, "name": "owner", "role": "owner"})
    site.call("owner", f"{OURS}/grants/remove", {**grant, "name": who})


def test_a_name_is_free_again_for_who_has_no_role_in_its_experiment_any_more(site: Site) -> None:
    who = join(site, "crew")
    before = {name: site.call(who, "experiments/create", {"name": name})["experiment_id"] for name in "abc"}
    before["Default"] = site.call(who, "runs/create", {})["run"]["info"]["experiment_id"]
    for number in before.values():
        lose(site, who, number)
    # By a group, it is still theirs.
    crew = {"experiment_id": before["c"], "kind": "group", "name": "crew"}
    site.call("owner", f"{OURS}/grants/set", {**crew, "role": "reader"})
    assert refusal(site, who, "experiments/create", {"name": "c"})[1] == "RESOURCE_ALREADY_EXISTS"
    site.call("owner", f"{OURS}/grants/remove", crew)
    assert site.call(who, "runs/search", {"experiment_ids": ["0"]}) == {}
    after = {name: site.call(who, "experiments/create", {"name": name})["experiment_id"] for name in "ac"}
    site.call(who, "experiments/update", {"experiment_id": after["a"], "new_name": "b"})
    site.call(who, "experiments/update", {"experiment_id": after["a"], "new_name": "a"})
    after["Default"] = site.call(who, "runs/create", {})["run"]["info"]["experiment_id"]
    assert not set(before.values()) & set(after.values())
    for name, number in after.items():
        found = site.call(who, f"experiments/get-by-name?experiment_name={name}", None, "GET")["experiment"]
        assert (found["experiment_id"], found["owner"]) == (number, who)
    for name, number in before.items():
        kept = site.call("owner", f"experiments/get?experiment_id={number}", None, "GET")["experiment"]
        assert (kept["name"], kept["owner"]) == (name, who)


def test_an_administrator_gets_the_name_back_as_well(site: Site) -> None:
    """They may read what they have no role in, but not by its name."""
    name = "given away"
    number = site.call("admin", "experiments/create", {"name": name})["experiment_id"]
    lose(site, "admin", number)
    assert site.call("admin", "experiments/create", {"name": name})["experiment_id"] != number
    assert refusal(site, "admin", "experiments/create", {"name": name})[1] == "RESOURCE_ALREADY_EXISTS"


def test_a_role_that_was_taken_away_is_gone_with_the_next_request(site: Site, things: Things) -> None:
    path = f"runs/get?run_id={things.run}"
    site.call("editor", path, None, "GET")
    taken = {"experiment_id": things.experiment, "kind": "group", "name": GROUP}
    site.call("owner", f"{OURS}/grants/remove", taken)
    assert refusal(site, "editor", path, None, "GET")[0] == 404
    site.call("owner", f"{OURS}/grants/set", {**taken, "role": "reader"})
    site.call("editor", path, None, "GET")
    assert refusal(site, "editor", "runs/set-tag", {"run_id": things.run, "key": "a", "value": "b"})[0] == 403


def test_a_run_is_of_whom_the_credential_says(site: Site) -> None:
    who = join(site)
    tag = {"key": "mlflow.user", "value": "somebody else"}
    run = site.call(who, "runs/create", {"user_id": "somebody else", "tags": [tag]})["run"]["info"]["run_id"]
    site.call(who, "runs/set-tag", {"run_id": run, **tag})
    site.call(who, "runs/log-batch", {"run_id": run, "tags": [tag]})
    found = site.call(who, f"runs/get?run_id={run}", None, "GET")["run"]
    assert found["info"]["user_id"] == who
    assert {"key": "mlflow.user", "value": who} in found["data"]["tags"]
    assert "somebody else" not in json.dumps(found)


def test_who_has_a_role_in_the_experiment_0_means_that(site: Site) -> None:
    group = "those of 0"
    who = join(site, group)

    give = ("rights", "set", "0", "--group", group, "--role", "editor")
    assert command(site.database, *give)[0] == 0
    info = site.call(who, "runs/create", {})["run"]["info"]
    assert info["experiment_id"] == "0"
    assert numbers(search(site, who, "experiments/search", "experiments", {})) == {"0"}
    assert "0" not in numbers(search(site, "admin", "experiments/search", "experiments", {}))
    assert site.call(who, "runs/search", {"experiment_ids": ["0"]})["runs"][0]["info"] == info
    assert command(site.database, "rights", "remove", "0", "--group", group)[0] == 0


@pytest.mark.parametrize("inner", ["", "/models", "/traces", "/{run}"])
def test_what_is_above_the_artifacts_of_others_is_not_there_either(
    inner: str, site: Site, things: Things
) -> None:
    def told(verb: str, it: Things) -> tuple[int, str]:
        path = f"{it.experiment}{inner.format(run=it.run)}"
        place = f"{PROXY}/artifacts/{path}" if verb == "DELETE" else f"{PROXY}/artifacts?path={path}"
        answer = site.send("stranger", verb, place)
        return answer.status, it.shown_in(answer)

    for verb, status in (("DELETE", 404), ("GET", 200)):
        assert told(verb, things) == told(verb, NOWHERE)
        assert told(verb, things)[0] == status
    owned = f"{PROXY}/artifacts/{things.experiment}{inner.format(run=things.run)}"
    assert site.send("owner", "DELETE", owned).status == 400
