"""Two servers make one user's ``Default`` at the same time; and what a role that is trusted costs."""

from __future__ import annotations

import threading
from pathlib import Path

from jupyter_tracking.protocol.grants import Grant, Role, SubjectKind
from jupyter_tracking_server.access import Caller, RoleAccess
from jupyter_tracking_server.config import Settings
from jupyter_tracking_server.context import Context
from jupyter_tracking_server.services import default_experiment, owners
from jupyter_tracking_server.store import experiments
from jupyter_tracking_server.store.database import Database, Transaction

JANE = Caller("jane", "token")


def context(tx: Transaction) -> Context:
    return Context(tx, JANE, RoleAccess(), Settings(auth="users"), lambda: 1)


def test_two_servers_make_one_default(postgres_uri: str) -> None:
    here, there = Database(postgres_uri), Database(postgres_uri)
    here.migrate("mlflow-artifacts:")
    found: list[int | None] = []

    def make() -> None:
        with there.write() as tx:
            default_experiment.ensure(context(tx), "0")
            found.append(default_experiment.meant(context(tx), "0"))

    other = threading.Thread(target=make)
    with here.write() as tx:
        default_experiment.ensure(context(tx), "0")
        found.append(default_experiment.meant(context(tx), "0"))
        # It cannot end before this transaction does.
        other.start()
    other.join(60)
    with here.read() as tx:
        assert found == [default_experiment.meant(context(tx), "0")] * 2
        assert tx.driver("SELECT count(*) FROM grants") == [(1,)]
    here.close()
    there.close()


def test_logging_with_a_role_that_is_trusted_asks_the_database_nothing(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'tracking.db'}")
    database.migrate("mlflow-artifacts:")
    access, statements = RoleAccess(), list[str]()
    with database.write() as tx:
        grants = [Grant(SubjectKind.USER, "jane", Role.EDITOR)]
        number = experiments.create(tx, experiments.NewExperiment("e", "root", 1, grants=grants))
        tx.connection.connection.driver_connection.set_trace_callback(statements.append)  # type: ignore[union-attr]  # sqlite3's own
        owners.check(access, JANE, tx, "not found", number)
        assert len(statements) == 1
        owners.check(access, JANE, tx, "not found", number)
        assert len(statements) == 1
    database.close()
