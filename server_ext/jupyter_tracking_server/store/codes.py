"""How enumerations are stored: the protobuf numbers of the wire, and numbers of our own."""

from __future__ import annotations

from jupyter_tracking.protocol.enums import LifecycleStage, LoggedModelStatus, RunStatus
from jupyter_tracking.protocol.grants import Role

ACTIVE, DELETED = 0, 1

RUN_STATUS_CODE: dict[RunStatus, int] = {status: number for number, status in enumerate(RunStatus, start=1)}
RUN_STATUS: dict[int, RunStatus] = {number: status for status, number in RUN_STATUS_CODE.items()}

MODEL_STATUS_CODE: dict[LoggedModelStatus, int] = {s: number for number, s in enumerate(LoggedModelStatus)}
MODEL_STATUS: dict[int, LoggedModelStatus] = {number: s for s, number in MODEL_STATUS_CODE.items()}

LIFECYCLE: dict[int, LifecycleStage] = {ACTIVE: LifecycleStage.ACTIVE, DELETED: LifecycleStage.DELETED}

ROLE_CODE: dict[Role, int] = {role: number for number, role in enumerate(Role, start=1)}
"""The greater includes the smaller."""
ROLE: dict[int, Role] = {number: role for role, number in ROLE_CODE.items()}
