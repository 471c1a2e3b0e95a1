"""``deploy/kubernetes``: the objects keep to their schemas, and agree with each other and with the server."""

from __future__ import annotations

from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]  # it has no types
import pytest
import yaml

from jupyter_tracking_server.cli import main
from tests.deploy.composed import DEPLOY, composed

FOLDER = DEPLOY / "kubernetes"
VERSION = "1.31"


def objects() -> dict[str, Any]:
    """By kind."""
    found = yaml.safe_load_all((FOLDER / "tracking.yaml").read_text(encoding="utf-8"))
    return {item["kind"]: item for item in found}


def container() -> Any:
    (found,) = objects()["Deployment"]["spec"]["template"]["spec"]["containers"]
    return found


def values() -> Any:
    return yaml.safe_load((FOLDER / "values.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("kind", ["Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy"])
def test_an_object_keeps_to_its_schema(kind: str) -> None:
    kubernetes_validate.validate(objects()[kind], VERSION, strict=True)


def test_the_objects_mean_the_same_pods() -> None:
    found = objects()
    labels = found["Deployment"]["spec"]["template"]["metadata"]["labels"]
    selectors = [found["Deployment"]["spec"]["selector"]["matchLabels"], found["Service"]["spec"]["selector"]]
    selectors += [found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"]]
    selectors += [found["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"]]
    for rule in values()["singleuser"]["networkPolicy"]["egress"]:
        selectors += [to["podSelector"]["matchLabels"] for to in rule["to"]]
    assert all(selector.items() <= labels.items() for selector in selectors)


def test_pods_live_longer_than_they_drain() -> None:
    arguments = container()["args"]
    flags = dict(zip(arguments[::2], arguments[1::2], strict=True))
    pod = objects()["Deployment"]["spec"]["template"]["spec"]
    drain = int(flags["--drain-delay"]) + int(flags["--drain-timeout"])
    assert drain < pod["terminationGracePeriodSeconds"]
    ready = container()["readinessProbe"]
    assert ready["periodSeconds"] * ready["failureThreshold"] < int(flags["--drain-delay"])


def test_its_command_is_one_of_ours(capsys: pytest.CaptureFixture[str]) -> None:
    """With the same flags as in the composition, beside how long it drains."""
    given = container()
    whole = [*given["command"], *given["args"]]
    service = composed()["services"]["tracking-1"]["command"]
    assert whole[: len(service)] == service
    with pytest.raises(SystemExit, match="0"):
        main([*whole[2:], "--help"])
    assert "--drain-timeout" in capsys.readouterr().out


def test_hub_and_notebooks_are_told_as_in_the_composition() -> None:
    names = {"name": "tracking", **values()["hub"]["services"]["tracking"]}
    text = (DEPLOY / "jupyterhub_config.py").read_text(encoding="utf-8")
    assert f'"name": "{names["name"]}"' in text
    assert f'"url": "{names["url"]}"'.replace("//tracking", "//balancer") in text
    for scope in values()["hub"]["loadRoles"]["user"]["scopes"]:
        assert f'"{scope}"' in text
    for line in values()["hub"]["extraConfig"]["tracking"].splitlines()[1:]:
        assert line.strip() in text
    ((name, value),) = values()["singleuser"]["extraEnv"].items()
    assert f'"{name}": "{value}"'.replace("//tracking", "//balancer") in text
