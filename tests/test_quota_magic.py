"""``%track_quota`` in a real kernel: what the user holds, and may hold."""

from __future__ import annotations

import time
from pathlib import Path

from tests.http.rights_scene import CONTENT, GROUP, OURS, make_things
from tests.http.rights_site import start_site
from tests.kernels import kernel


def test_the_user_sees_what_is_held_and_allowed(tmp_path: Path) -> None:
    with start_site(tmp_path / "site") as site:
        make_things(site)
        for quota in (
            {"kind": "user", "name": "owner", "max_bytes": 5 * 10**9, "max_runs": 100},
            {"kind": "group", "name": GROUP, "max_runs": 7},
        ):
            site.call("admin", f"{OURS}/quotas/set", quota)
        # Four files, which are counted a moment after they came.
        deadline = time.monotonic() + 30
        while site.call("owner", f"{OURS}/usage/get", None, "GET")["usage"][0]["bytes"] < 4 * len(CONTENT):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        for who, expected in (
            ("owner", ["48 B of 5.0 GB, 1 of 100 runs"]),
            ("editor", ["0 B, 0 runs", f"group {GROUP}: 0 B, 0 of 7 runs"]),
        ):
            variables = {"MLFLOW_TRACKING_URI": site.url, "MLFLOW_TRACKING_TOKEN": site.tokens[who]}
            with kernel(tmp_path / who, variables) as notebook:
                said = notebook.run("%track_quota")
                assert (said.lines, said.errors) == (expected, "")
                assert notebook.run("%track_quota -q").lines == []
