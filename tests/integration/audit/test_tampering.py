"""What a superuser changes in the log or its tree is found by `audit verify`, with the first wrong position."""

import ast
import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import getsource
from pathlib import Path

import pytest
from typer.testing import CliRunner

from infra.audit import cosigned_history, surplus, unsealing, verification
from infra.audit.differences import WrongPosition
from infra.audit.tables import SignedCheckpoint
from infra.audit.tiles import TileId
from infra.audit.verification import VerificationResult, verify
from infra.cli.audit import app
from infra.postgres.connect import connect
from tests.integration.audit.tamper_checks import CHECKS, switched_off
from tests.integration.audit.tamper_drills import DRILLS, SEALED, Drill, fill_log, seal_again, write_log
from tests.support import relaying
from tests.support.history import History
from tests.support.roles import environment
from tests.support.sealing import SIGNER, execute, last_note, notes, seal, stored_tiles
from tests.support.servers import Cluster, Database

FIRST_WRONG = re.compile(r"^Position (\d+): (.*)", re.MULTILINE)


@pytest.fixture(scope="module")
def logs(cluster: Cluster) -> Iterator[dict[str, str]]:
    """The databases with the logs of the drills, to be copied."""
    with cluster.database() as filled, cluster.database() as written:
        fill_log(filled)
        asyncio.run(write_log(written))
        yield {"filled": filled.name, "written": written.name}


@pytest.fixture
def sealed(cluster: Cluster, logs: dict[str, str]) -> Iterator[Database]:
    """The filled log."""
    with cluster.database(logs["filled"]) as copy:
        yield copy


@contextmanager
def drilled(cluster: Cluster, logs: dict[str, str], drill: Drill, folder: Path) -> Iterator[None]:
    """Change a copy of the log of a drill, which the commands use. The folder is the present one."""
    with cluster.database(logs[drill.log]) as database, pytest.MonkeyPatch.context() as patch:
        for name, value in environment(database, None, 8000, folder).items():
            patch.setenv(name, value)
        patch.chdir(folder)
        (folder / "kept").write_text(last_note(database))
        drill.make(database)
        yield


def first_wrong(drill: Drill) -> tuple[int, str] | None:
    """Run `audit verify`. Returns the position that it names, and its words; None: it found nothing."""
    done = CliRunner().invoke(app, ["verify", *drill.options])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    found = FIRST_WRONG.search(done.stderr)
    assert done.exit_code == 1 or found is None
    return None if found is None else (int(found[1]), found[2])


@pytest.mark.parametrize("name", DRILLS)
def test_a_change_is_found_by_each_of_its_checks_and_by_no_other(
    cluster: Cluster, logs: dict[str, str], name: str, tmp_path: Path
) -> None:
    """A drill is proof of its checks: each finds it without any other one, and without all of them it is not found."""
    drill = DRILLS[name]
    with drilled(cluster, logs, drill, tmp_path):
        found = first_wrong(drill)
        assert found is not None
        assert found[0] == drill.position
        assert any(words in found[1] for words in drill.words.split("|")), found[1]
        for check in drill.checks:
            with switched_off(*CHECKS.keys() - {check}):
                assert first_wrong(drill) is not None, check
        with switched_off(*drill.checks):
            assert first_wrong(drill) is None


def test_each_check_of_the_code_has_a_drill() -> None:
    in_code = {
        (module.__name__, node.name)
        for module in (verification, surplus, cosigned_history, unsealing)
        for node in ast.walk(ast.parse(getsource(module)))
        if isinstance(node, ast.FunctionDef) and node.name.lstrip("_").startswith("require_")
    }
    modules = {name: getattr(check.owner, "__module__", check.owner.__name__) for name, check in CHECKS.items()}
    assert {(modules[name], check.function) for name, check in CHECKS.items()} == in_code
    assert {check for drill in DRILLS.values() for check in drill.checks} == CHECKS.keys()


def test_what_is_wrong_is_raised_by_checks_alone() -> None:
    """So that no check is without a name: all else that raises only explains what a check has found."""
    explain = {"_explain_events"}
    for module in (verification, surplus, cosigned_history, unsealing):
        for function in ast.walk(ast.parse(getsource(module))):
            if isinstance(function, ast.FunctionDef) and "raise WrongPosition" in ast.unparse(function):
                assert "require_" in function.name or function.name in explain, function.name


def verified(database: Database, *given: str) -> VerificationResult:
    kept = [SignedCheckpoint(SIGNER.key.open(note).size, note) for note in given]
    with connect(database.part_url("auditor")) as connection:
        return verify(connection, SIGNER.key, lambda done, goal: None, kept)


def test_a_store_as_it_was_sealed_verifies(sealed: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    assert verified(sealed) == VerificationResult(700, len(SEALED), 3)
    assert verified(sealed, *notes(sealed)) == VerificationResult(700, 2 * len(SEALED), 3)
    for events, size in ((1, 10), (7, 10_000), (255, 10_000), (700, 10_000)):
        monkeypatch.setattr(verification, "PAGE_EVENTS", events)
        monkeypatch.setattr(verification, "PAGE_BYTES", size)
        assert verified(sealed).events == 700


def test_an_empty_store_verifies(database: Database) -> None:
    assert verified(database) == VerificationResult(0, 0, 0)


def test_a_real_history_verifies_and_opens_and_progress_is_reported(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    relaying.live(database.app_url, History(5), changes=200)
    size, steps = seal(database), list[tuple[int, int]]()
    with connect(database.part_url("auditor")) as connection:
        verify(connection, SIGNER.key, lambda done, goal: steps.append((done, goal)))
    assert steps[-1] == (size, size)
    for name, value in environment(database, None, 8000, tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(unsealing, "PAGE_EVENTS", 150)
    done = CliRunner().invoke(app, ["verify", "--personal"])
    assert done.exit_code == 0
    assert f"{size} events open, with all personal fields that are not erased." in done.stdout


def test_the_time_of_a_checkpoint_is_not_signed_and_stops_nothing(sealed: Database) -> None:
    execute(sealed, "UPDATE log_checkpoints SET signed_at = 'infinity'")
    assert verified(sealed) == VerificationResult(700, len(SEALED), 3)
    assert seal(sealed) == 703


def test_of_two_changes_the_first_is_named(sealed: Database) -> None:
    execute(sealed, "UPDATE stored_events SET recorded_at = '-infinity' WHERE notification_id = 620")
    execute(sealed, "UPDATE stored_events SET state = ''::bytea WHERE notification_id IN (310, 620)")
    execute(sealed, "UPDATE log_checkpoints SET note = '' WHERE size = 400")
    with pytest.raises(WrongPosition) as caught:
        verified(sealed)
    assert caught.value.position == 310


@pytest.mark.parametrize("name", [name for name, drill in DRILLS.items() if "--checkpoint" in drill.options])
def test_what_only_a_kept_checkpoint_finds_is_by_itself_a_history_like_any_other(
    cluster: Cluster, logs: dict[str, str], name: str, tmp_path: Path
) -> None:
    drill = DRILLS[name]
    with drilled(cluster, logs, drill, tmp_path):
        assert first_wrong(drill._replace(options=drill.options[2:])) is None


def test_of_two_checkpoints_of_one_size_the_false_one_makes_no_event_certain(sealed: Database) -> None:
    kept, orders = last_note(sealed), set[bool]()
    for text in (b"a", b"b", b"c", b"d"):
        execute(sealed, "UPDATE stored_events SET state = %s WHERE notification_id = 300", text)
        execute(sealed, "DELETE FROM stored_events WHERE notification_id > 700")
        seal_again(sealed)
        orders.add(last_note(sealed) < kept)
        with pytest.raises(WrongPosition) as caught:
            verified(sealed, kept)
        assert caught.value.position == 1
    assert orders == {True, False}


async def test_the_sealer_may_go_on_meanwhile(sealed: Database) -> None:
    def seal_meanwhile(done: int, goal: int) -> None:
        seal(sealed)

    def verify_and_seal() -> VerificationResult:
        with connect(sealed.part_url("auditor")) as connection:
            return verify(connection, SIGNER.key, seal_meanwhile)

    assert await asyncio.to_thread(verify_and_seal) == VerificationResult(700, len(SEALED), 3)
    assert verified(sealed).events == 703
    assert TileId(0, 2) in stored_tiles(sealed)
