"""Witnesses cosign what is sealed, whatever one of them does; what they sign is kept, and what they refuse is said."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from infra.audit import cosigning, witnessing
from infra.audit.cosigning import Cosigning
from infra.audit.notes import CheckpointSigner
from infra.audit.tree import ProofRefused
from infra.audit.witnessing import HistoryDisputed, NotCosigned, open_client
from infra.settings.audit import DEFAULT_ORIGIN
from tests.support.metrics import sample
from tests.support.roles import RoleProcess, environment
from tests.support.sealing import SIGNER, empty_tree, execute, fill, last_note, seal
from tests.support.servers import Database
from tests.support.stores import open_store, rows
from tests.support.waiting import until, wait_until
from tests.support.witness_server import WitnessServer, witness_server

COSIGNATURES = "SELECT size, witness, line FROM log_cosignatures ORDER BY size, witness"
SECRET = "canary-of-an-address"
SAID = "SELECT refusal, disputed FROM log_witnesses"


@pytest.fixture
def witness() -> Iterator[WitnessServer]:
    with witness_server() as state:
        yield state


@asynccontextmanager
async def asking(database: Database, *servers: WitnessServer) -> AsyncIterator[Cosigning]:
    async with open_store(database.part_url("sealer")) as opened, open_client() as client:
        witnesses = [server.witness for server in servers]
        yield Cosigning(opened.database, SIGNER.key, witnesses, client, lambda: True)


async def ask(database: Database, server: WitnessServer) -> None:
    """Ask once, as a process that begins now."""
    async with asking(database, server) as made:
        await made.begin_round()
        await made.ask(server.witness)


def grow(database: Database, number: int) -> None:
    fill(database, number)
    seal(database)


def kept(database: Database) -> list[int]:
    """The sizes that were cosigned; each cosignature is one of its checkpoint."""
    return [size for size, *_ in rows(database.admin_url, COSIGNATURES)]


async def test_each_round_has_the_last_checkpoint_cosigned(database: Database, witness: WitnessServer) -> None:
    async with asking(database, witness) as made:
        assert not await made.begin_round()
        for number in (300, 400, 1):
            grow(database, number)
            assert await made.begin_round()
            assert not await made.begin_round()
            await made.ask(witness.witness)
            await made.ask(witness.witness)
    assert kept(database) == [300, 700, 701]
    assert witness.requests == [0, 300, 700]
    [*_, (_, name, line)] = rows(database.admin_url, COSIGNATURES)
    assert name == str(witness.key)
    assert witness.key.cosigned_at(f"{last_note(database)}{line}").timestamp() == witness.time
    assert rows(database.admin_url, SAID) == [(None, False)]
    assert sample("palimpsest_witness_position", {"witness": witness.name}) == 701


async def test_what_a_crash_has_lost_is_cosigned_again(database: Database, witness: WitnessServer) -> None:
    grow(database, 300)
    await ask(database, witness)
    execute(database, "DELETE FROM log_cosignatures")
    await ask(database, witness)
    execute(database, "DELETE FROM log_cosignatures")
    grow(database, 10)
    await ask(database, witness)
    assert kept(database) == [310]
    assert witness.requests == [0, 0, 300, 0, 300]


async def test_a_witness_that_has_lost_its_memory_begins_again(database: Database, witness: WitnessServer) -> None:
    grow(database, 300)
    await ask(database, witness)
    witness.known = None
    grow(database, 10)
    await ask(database, witness)
    assert kept(database) == [300, 310]
    assert witness.requests == [0, 300, 0]


REFUSED: dict[str, tuple[list[Any], str, str]] = {
    "it does not know the log": ([(404, "")], "does not know the log", "refused"),
    "it refuses the key": ([(403, "")], "signature of the log", "refused"),
    "it is busy": ([(429, "")], "fewer requests", "refused"),
    "it is broken": ([(500, "")], "status 500", "refused"),
    "it leads elsewhere": ([(307, "")], "status 307", "refused"),
    "it has no memory of its size": ([(409, "many")], "which size", "nonsense"),
    "it contradicts itself": ([(409, "7\n"), (409, "7\n")], "that it names itself", "nonsense"),
    "it names a size again and again": ([(409, "7\n"), (409, "8\n")], "meanwhile", "overtaken"),
    "it answers nothing": ([(200, "")], "no cosignature of its key", "nonsense"),
    "it answers something else": ([(200, "hello\n" * 9)], "no cosignature of its key", "nonsense"),
    "it answers too much": ([(200, "x" * 70_000)], "too long", "nonsense"),
    "it ends": (["cut"], "does not answer", "silent"),
    "it is slow": (["stall"], "does not answer within", "silent"),
}


@pytest.mark.parametrize(("behaviour", "words", "kind"), REFUSED.values(), ids=REFUSED)
async def test_a_witness_that_does_not_cosign_is_said_with_its_reason_and_asked_again(
    database: Database,
    witness: WitnessServer,
    behaviour: list[Any],
    words: str,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(witnessing, "TIMEOUT_SECONDS", 0.3 if behaviour == ["stall"] else 10.0)
    grow(database, 10)
    witness.behaviour[:] = behaviour
    with pytest.raises(NotCosigned, match=words) as caught:
        await ask(database, witness)
    assert (caught.value.kind, isinstance(caught.value, HistoryDisputed)) == (kind, False)
    assert (kept(database), rows(database.admin_url, SAID)) == ([], [(str(caught.value), False)])
    await ask(database, witness)
    assert (kept(database), rows(database.admin_url, SAID)) == ([10], [(None, False)])


async def test_a_false_cosignature_is_not_kept(database: Database, witness: WitnessServer) -> None:
    grow(database, 10)
    other = WitnessServer(witness.name)
    wrong = other.line(last_note(database).replace("\n10\n", "\n11\n"))
    witness.behaviour[:] = [(200, wrong)]
    with pytest.raises(NotCosigned, match="no cosignature of its key"):
        await ask(database, witness)
    witness.behaviour[:] = [(200, wrong + WitnessServer("another.example").line(last_note(database)))]
    with pytest.raises(NotCosigned, match="no cosignature of its key"):
        await ask(database, witness)
    assert kept(database) == []


async def test_a_later_checkpoint_that_an_operator_had_cosigned_is_no_dispute(
    database: Database, witness: WitnessServer
) -> None:
    grow(database, 10)
    async with asking(database, witness) as made:
        await made.begin_round()
        grow(database, 10)
        witness.known = SIGNER.key.open(last_note(database))
        with pytest.raises(NotCosigned, match="a later checkpoint") as caught:
            await made.ask(witness.witness)
        assert caught.value.kind == "overtaken"
        await made.ask(witness.witness)
    assert kept(database) == [20]


def rewrite(database: Database, number: int) -> None:
    """Sign the history again, changed, with so many events more."""
    execute(database, "UPDATE stored_events SET state = 'x'::bytea WHERE notification_id = 7")
    empty_tree(database)
    grow(database, number)


@pytest.mark.parametrize("more", [0, 10])
@pytest.mark.parametrize("remembered", [True, False])
async def test_a_history_that_was_signed_again_is_disputed(
    database: Database, witness: WitnessServer, more: int, remembered: bool
) -> None:
    grow(database, 300)
    await ask(database, witness)
    rewrite(database, more)
    if not remembered or not more:
        execute(database, "DELETE FROM log_cosignatures")
    with pytest.raises(HistoryDisputed, match="another history"):
        await ask(database, witness)
    assert rows(database.admin_url, SAID) == [(witnessing.SECOND_HISTORY, True)]


async def test_a_log_that_was_set_back_is_disputed(database: Database, witness: WitnessServer) -> None:
    grow(database, 300)
    await ask(database, witness)
    execute(database, "DELETE FROM stored_events WHERE notification_id > 200")
    execute(database, "DELETE FROM log_cosignatures")
    empty_tree(database)
    seal(database)
    with pytest.raises(HistoryDisputed, match="cosigned 300 events, and 200 are sealed"):
        await ask(database, witness)


async def test_a_damaged_tree_is_not_sent_and_not_called_a_dispute(database: Database, witness: WitnessServer) -> None:
    grow(database, 300)
    await ask(database, witness)
    grow(database, 300)
    execute(database, "UPDATE log_tiles SET content = overlay(content PLACING 'x' FROM 90) WHERE level = 0")
    with pytest.raises(ProofRefused):
        await ask(database, witness)
    execute(database, "DELETE FROM log_tiles")
    with pytest.raises(ProofRefused):
        await ask(database, witness)
    assert witness.requests == [0]


@asynccontextmanager
async def running(made: Cosigning) -> AsyncIterator[None]:
    task = asyncio.create_task(made.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_silent_witness_holds_no_other_one_up_and_is_asked_again(
    database: Database, witness: WitnessServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in {"ROUND_SECONDS": 0.2, "POLL_SECONDS": 0.05}.items():
        monkeypatch.setattr(cosigning, name, seconds)
    with witness_server("slow.example") as slow, capture_logs() as logs:
        slow.behaviour[:] = ["stall", (500, ""), "cut"]
        grow(database, 10)
        async with asking(database, witness, slow) as made, running(made):
            await until(lambda: kept(database) == [10])
            grow(database, 10)
            await until(lambda: kept(database) == [10, 20])
            slow.over.set()
            await until(lambda: kept(database) == [10, 20, 20])
    refusals = [entry for entry in logs if entry["event"] == "a witness has not cosigned"]
    assert {entry["witness"] for entry in refusals} == {"slow.example"}
    assert not any(slow.url in str(entry) for entry in logs)
    assert (sample("palimpsest_witness_failed_total", {"witness": slow.name, "kind": "silent"}) or 0) >= 1


async def test_a_dispute_raises_an_alarm_until_the_witness_cosigns_again(
    database: Database, witness: WitnessServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in {"ROUND_SECONDS": 0.05, "POLL_SECONDS": 0.05}.items():
        monkeypatch.setattr(cosigning, name, seconds)
    leading = [True]
    grow(database, 10)
    witness.behaviour[:] = [(422, ""), (422, "")]
    labels = {"witness": witness.name}
    with capture_logs() as logs:
        async with asking(database, witness) as made:
            made._leads = lambda: leading[0]
            async with running(made):
                await until(lambda: sample("palimpsest_witness_disputed", labels) == 1)
                await until(lambda: kept(database) == [10])
                await until(lambda: sample("palimpsest_witness_disputed", labels) == 0)
    assert {entry["log_level"] for entry in logs if entry["event"] == "a witness has not cosigned"} == {"error"}


async def test_only_the_sealer_that_leads_asks(
    database: Database, witness: WitnessServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in {"ROUND_SECONDS": 0.05, "POLL_SECONDS": 0.01}.items():
        monkeypatch.setattr(cosigning, name, seconds)
    leading = list[bool]()
    grow(database, 10)
    async with asking(database, witness) as made:
        asked = list[bool]()

        def leads() -> bool:
            asked.append(True)
            return bool(leading)

        made._leads = leads
        async with running(made):
            await until(lambda: len(asked) > 20)
            assert witness.requests == []
            leading.append(True)
            await until(lambda: kept(database) == [10])


def test_a_checkpoint_of_another_key_is_not_sent(database: Database, witness: WitnessServer) -> None:
    other = CheckpointSigner(DEFAULT_ORIGIN, bytes(32))
    fill(database, 3)
    seal(database, other)
    with pytest.raises(Exception, match="not one of this log and its key"):
        asyncio.run(ask(database, witness))
    assert witness.requests == []


def test_a_sealer_goes_on_after_it_was_killed(database: Database, witness: WitnessServer, tmp_path: Path) -> None:
    settings = {"PALIMPSEST_LOG_WITNESSES": f"{witness.setting}/{SECRET}"}
    process = RoleProcess("sealer", {**environment(database, None, 8000, tmp_path), **settings}, tmp_path)
    try:
        for size in (20, 40):
            fill(database, 20)
            process.start()
            wait_until(partial(is_cosigned, database, size))
            process.kill()
    finally:
        process.kill()
    assert witness.requests == [0, 20]
    assert SECRET not in process.log.read_text()


def is_cosigned(database: Database, size: int) -> bool:
    return kept(database)[-1:] == [size]
