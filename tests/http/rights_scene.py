"""A server where users have rights, the people who call it, and the things that they ask for."""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, urlsplit

from tests.http.conftest import Answer, ask

API = "/api/2.0/mlflow"
PROXY = "/api/2.0/mlflow-artifacts"
OURS = "/api/2.0/jupyter-tracking"
CONTENT = b"twelve bytes"
GROUP = "lab"
"""The group through which the editor is one."""
PEOPLE = ("stranger", "reader", "editor", "owner", "admin", "read-only")
"""Who has a token; ``read-only`` is the owner with a token of the scope ``read`` alone. A person's name is
that of the role which they have in the experiment of ``Things``."""


@dataclass(frozen=True)
class Site:
    """A server, its database, and the tokens of ``PEOPLE`` and of who joined them."""

    url: str
    database: str
    tokens: dict[str, str]

    def send(
        self, who: str, verb: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request by somebody who has a token, or by ``anonymous``."""
        given = dict(headers or {})
        if who in self.tokens:
            given["Authorization"] = f"Bearer {self.tokens[who]}"
        raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        if raw is not None:
            given.setdefault("Content-Type", "application/json")
        return ask(self.url, verb, path, raw, given)

    def call(self, who: str, path: str, body: object, verb: str = "POST") -> Any:
        """The reply to a call of tracking that must succeed."""
        answer = self.send(who, verb, path if path.startswith("/") else f"{API}/{path}", body)
        assert answer.status == 200, (path, answer)
        return answer.json()


@dataclass(frozen=True)
class Things:
    """What requests are about; all of it is in one experiment, or nowhere at all.

    Attributes:
        root: the path of the run's artifacts in the proxy; it holds ``a.txt`` and the folder ``folder``.
        model_root: the same of the model.
        upload: an open upload of ``{root}/big.bin`` in one part, which is there already.
        part: the path and query by which that part is sent.
        etag: of that part.
        key: of a param, a metric and a tag of the run, and of a tag of the experiment and of the model.
        link: the id of a share link to the run.
        shared: the path that this link opens.
    """

    experiment: str
    run: str
    model: str
    root: str
    model_root: str
    upload: str
    part: str
    etag: str
    key: str = "key"
    name: str = ""
    link: str = ""
    shared: str = ""

    def shown_in(self, answer: Answer) -> str:
        """A reply's body, with each id of these things replaced by what it is the id of."""
        text = answer.body.decode()
        for what in ("model_root", "root", "run", "model", "upload", "name", "link", "experiment"):
            value = getattr(self, what)
            for spelled in (value, quote(value, safe="")):
                text = text.replace(spelled, f"<{what}>")
        return text


NOWHERE = Things(
    experiment="987654321",
    run="f" * 32,
    model="m-" + "e" * 32,
    root=f"987654321/{'f' * 32}/artifacts",
    model_root=f"987654321/models/m-{'e' * 32}/artifacts",
    upload="nowhere-" + "f" * 24,
    part=f"{PROXY}/mpu/part/nowhere/1?expires=9999999999&signature=x",
    etag="none",
    name="no such experiment",
    link="nowhere",
    shared="/share/nowhere",
)
"""Things that do not exist."""


def make_things(site: Site, uploader: str = "owner") -> Things:
    """New things, made by the owner, who gives the others their roles; an upload is the ``uploader``'s."""
    name = f"e {secrets.token_hex(6)}"
    experiment = site.call("owner", "experiments/create", {"name": name})["experiment_id"]
    for kind, subject, role in (("user", "reader", "reader"), ("group", GROUP, "editor")):
        given = {"experiment_id": experiment, "kind": kind, "name": subject, "role": role}
        site.call("owner", f"{OURS}/grants/set", given)
    run = site.call("owner", "runs/create", {"experiment_id": experiment})["run"]["info"]["run_id"]
    model = site.call("owner", "logged-models", {"experiment_id": experiment, "source_run_id": run})
    model_id = model["model"]["info"]["model_id"]
    made = Things(
        experiment=experiment,
        run=run,
        model=model_id,
        root=f"{experiment}/{run}/artifacts",
        model_root=f"{experiment}/models/{model_id}/artifacts",
        upload="",
        part="",
        etag="",
        name=name,
    )
    _fill(site, made)
    return _with_upload(site, _with_link(site, made), uploader)


def _fill(site: Site, made: Things) -> None:
    entry = {"key": made.key, "value": "v"}
    site.call("owner", "experiments/set-experiment-tag", {"experiment_id": made.experiment, **entry})
    site.call("owner", f"logged-models/{made.model}/tags", {"tags": [entry]}, "PATCH")
    metric = {"key": made.key, "value": 1.5, "timestamp": 1, "step": 0}
    batch = {"run_id": made.run, "metrics": [metric], "params": [entry], "tags": [entry]}
    site.call("owner", "runs/log-batch", batch)
    dataset = {"dataset": {"name": f"data of {made.run}", "digest": "d", "source_type": "s", "source": "s"}}
    site.call("owner", "runs/log-inputs", {"run_id": made.run, "datasets": [dataset]})
    for root in (made.root, made.model_root):
        for name in ("a.txt", "folder/b.txt"):
            path = f"{PROXY}/artifacts/{root}/{name}"
            assert site.send("owner", "PUT", path, CONTENT).status == 200


def _with_link(site: Site, made: Things) -> Things:
    created = site.call("owner", f"{OURS}/share-links/create", {"run_id": made.run})
    link = created["share_link"]
    return replace(made, link=link["id"], shared=link["url"].removeprefix(site.url))


def _with_upload(site: Site, made: Things, uploader: str) -> Things:
    begin = {"path": "big.bin", "num_parts": 1}
    begun = site.call(uploader, f"{PROXY}/mpu/create/{made.root}", begin)
    address = urlsplit(begun["credentials"][0]["url"])
    part = f"{address.path}?{address.query}"
    stored = site.send("anonymous", "PUT", part, CONTENT)
    assert stored.status == 200, stored
    return replace(made, upload=begun["upload_id"], part=part, etag=stored.headers["etag"])


def state(site: Site, things: Things) -> list[object]:
    """All that can be read of things, to see whether they changed."""
    return [
        site.send("owner", "GET", path).body
        for path in (
            f"{API}/experiments/get?experiment_id={things.experiment}",
            f"{API}/runs/get?run_id={things.run}",
            f"{API}/logged-models/{things.model}",
            f"{API}/artifacts/list?run_id={things.run}",
            f"{API}/artifacts/list?run_id={things.run}&path=folder",
            f"{API}/metrics/get-history?run_id={things.run}&metric_key={things.key}",
            f"{PROXY}/artifacts?path={things.model_root}",
            f"{PROXY}/artifacts/{things.root}/a.txt",
            f"{OURS}/grants/list?experiment_id={things.experiment}",
            f"{OURS}/share-links/list?experiment_id={things.experiment}",
        )
    ]


Prepare = Callable[[Site, Things], None]


@dataclass
class Kept:
    """Things that no request may change, one set for each site."""

    made: dict[str, Things] = field(default_factory=dict)

    def of(self, site: Site) -> Things:
        """The same ones each time."""
        with contextlib.suppress(KeyError):
            return self.made[site.url]
        return self.made.setdefault(site.url, make_things(site))
