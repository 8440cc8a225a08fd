"""The sealer signs one history, of everything in the log, whatever is killed, frozen, changed or started twice."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from threading import Event, Thread
from time import monotonic, sleep
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from structlog.testing import capture_logs

from infra.audit import lag, sealer, sealing_session
from infra.audit.continuity import HistoryRefused
from infra.audit.growing_tree import GrowingTree
from infra.audit.known_checkpoint import KnownCheckpoint
from infra.audit.notes import CheckpointSigner
from infra.audit.sealer import Sealer
from infra.audit.sealing_session import SealingSession
from infra.audit.tiles import ENTRIES, TileId
from infra.postgres.connect import connect
from infra.postgres.leader_lease import LeaderLease, NoLongerLeading
from infra.postgres.locks import SEALER_LEADER
from infra.settings.audit import DEFAULT_ORIGIN
from infra.settings.errors import SettingsError
from infra.store.log_rows import APPENDED_CHANNEL
from tests.support.metrics import sample
from tests.support.note import Note
from tests.support.roles import RoleProcess, environment, frozen
from tests.support.sealing import SIGNER, always_leading, entries, execute, fill, notes, seal, stored_tiles
from tests.support.servers import Database, open_folder
from tests.support.stores import CALL, LOG_KEY, open_store, rows
from tests.support.waiting import wait_until

WRONG_HASH = "sha256(''::bytea)"


def gauge(name: str) -> float:
    value = sample(f"palimpsest_sealer_{name}")
    assert value is not None
    return value


def require_one_history(database: Database, *, all_sealed: bool = True) -> None:
    """Every checkpoint that was ever signed is of the log as it is, and the tiles are those of the last one."""
    log, tree = entries(database), GrowingTree()
    signed = [SIGNER.key.open(note) for note in notes(database)]
    for checkpoint in signed:
        tree.extend(log[tree.size : checkpoint.size])
        assert (tree.size, tree.root()) == (checkpoint.size, checkpoint.root)
    assert stored_tiles(database) == tree.tiles()
    assert not all_sealed or tree.size == len(log)


def test_the_tree_is_that_of_the_whole_log_in_whatever_pages(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(5)
    for _ in range(12):
        monkeypatch.setattr(sealing_session, "PAGE_EVENTS", chance.choice([1, 37, 256, 1000]))
        fill(database, chance.choice([1, 3, 90, 300]))
        assert seal(database) == len(entries(database))
    require_one_history(database)
    assert {TileId(0, 0), TileId(ENTRIES, 0)} <= set(stored_tiles(database))


def test_an_empty_log_has_no_checkpoint(database: Database) -> None:
    assert seal(database) == 0
    assert notes(database) == []


def test_a_page_ends_with_the_bytes_that_fit_and_a_large_event_stops_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing_session, "PAGE_BYTES", 1_000)
    fill(database, 3, bytes(2_000))
    fill(database, 40)
    assert seal(database) == 43
    assert len(notes(database)) > 3
    require_one_history(database)


async def test_events_of_aggregates_are_sealed_while_they_are_appended(database: Database) -> None:
    async with open_store(database.app_url) as opened:
        for number in range(3):
            await opened.store.append([Note.write(uuid4(), f"text {number}")], CALL, None)
            assert await asyncio.to_thread(seal, database) == number + 1
    require_one_history(database)


async def test_an_append_does_not_wait_for_a_checkpoint_that_is_being_stored(database: Database) -> None:
    fill(database, 10)
    async with open_store(database.app_url) as opened:
        loop = asyncio.get_running_loop()

        def append() -> bool:
            appended = opened.store.append([Note.write(uuid4(), "text")], CALL, None)
            asyncio.run_coroutine_threadsafe(appended, loop).result(5)
            return True

        def step() -> None:
            with connect(database.part_url("sealer"), autocommit=True) as connection:
                SealingSession(connection, SIGNER).step(append)

        await asyncio.to_thread(step)
    assert len(entries(database)) == 11
    require_one_history(database, all_sealed=False)


def test_a_sealer_that_has_lost_its_lease_stores_nothing(database: Database) -> None:
    fill(database, 10)
    with connect(database.part_url("sealer"), autocommit=True) as connection, pytest.raises(NoLongerLeading):
        SealingSession(connection, SIGNER).step(lambda: False)
    assert (notes(database), stored_tiles(database)) == ([], {})


def test_two_sealers_that_both_believe_to_lead_seal_one_history(database: Database) -> None:
    fill(database, 300)
    seal(database)
    with (
        connect(database.part_url("sealer"), autocommit=True) as first,
        connect(database.part_url("sealer"), autocommit=True) as second,
    ):
        one, other = SealingSession(first, SIGNER), SealingSession(second, SIGNER)
        fill(database, 5)
        one.step(always_leading)
        fill(database, 5)
        with pytest.raises(psycopg.errors.UniqueViolation):
            other.step(always_leading)
    seal(database)
    require_one_history(database)


def test_a_session_that_begins_while_another_seals_sees_one_moment(database: Database) -> None:
    """Checkpoint and edge are read at once: else the doctor would call a busy sealer's tree damaged."""
    done = Event()

    def go_on() -> None:
        with connect(database.part_url("sealer"), autocommit=True) as connection:
            session = SealingSession(connection, SIGNER)
            while not done.is_set():
                fill(database, 1)
                session.step(always_leading)

    writer = Thread(target=go_on)
    writer.start()
    try:
        with connect(database.part_url("auditor"), autocommit=True) as connection:
            for _ in range(300):
                SealingSession(connection, SIGNER).require_log()
    finally:
        done.set()
        writer.join()
    require_one_history(database)


DAMAGES = {
    "the last sealed event was changed": (
        "UPDATE stored_events SET state = state || 'x'::bytea WHERE notification_id = 300",
        "position 300 is not the one",
    ),
    "the last sealed event was removed": (
        "DELETE FROM stored_events WHERE notification_id = 300",
        "position 300 is not the one",
    ),
    "the next event was removed": (
        "DELETE FROM stored_events WHERE notification_id = 301",
        "position 301 is missing",
    ),
    "an event between new ones was removed": (
        "DELETE FROM stored_events WHERE notification_id = 305",
        "position 305 is missing",
    ),
    "an event has no time": (
        "UPDATE stored_events SET recorded_at = 'infinity' WHERE notification_id = 303",
        "position 303: the time of the event",
    ),
    "the last sealed event has a time before 1970": (
        "UPDATE stored_events SET recorded_at = '1960-01-01Z' WHERE notification_id = 300",
        "position 300: the time of the event",
    ),
    "an event has a negative version": (
        "UPDATE stored_events SET originator_version = -5 WHERE notification_id = 301",
        "position 301: the version of the event is negative",
    ),
    "an event has too long a type": (
        "UPDATE stored_events SET topic = repeat('x', 70000) WHERE notification_id = 301",
        "position 301: the type of the event",
    ),
    "the tail was cut off": ("DELETE FROM stored_events WHERE notification_id >= 290", "the log ends at position 289"),
    "a hash at the edge was changed": (
        f"UPDATE log_edges SET content = overlay(content PLACING {WRONG_HASH} FROM 1) WHERE level = 0",
        "edge of the tree is damaged",
    ),
    "a hash above the edge was changed": (
        f"UPDATE log_edges SET content = {WRONG_HASH} WHERE level = 1",
        "do not lead to the root",
    ),
    "the edge is gone": ("DELETE FROM log_edges", "edge of the tree is damaged"),
    "an entry at the edge was changed": (
        "UPDATE log_edges SET content = overlay(content PLACING 'x'::bytea FROM 60) WHERE level = -1",
        "edge of the tree is damaged",
    ),
    "a checkpoint was changed": (
        "UPDATE log_checkpoints SET note = replace(note, E'\\n300\\n', E'\\n301\\n')",
        "not one of this log and its key",
    ),
    "a checkpoint stands for another": ("UPDATE log_checkpoints SET size = 299", "stored as one of size 299"),
}


@pytest.mark.parametrize(("statement", "words"), DAMAGES.values(), ids=DAMAGES)
def test_nothing_is_signed_over_a_history_that_is_not_the_one_that_was_sealed(
    database: Database, statement: str, words: str
) -> None:
    fill(database, 300)
    seal(database)
    fill(database, 0 if "290" in statement else 10)
    before = notes(database)
    execute(database, statement)
    with pytest.raises(HistoryRefused, match=words):
        seal(database)
    assert len(notes(database)) == len(before)


def test_the_hash_of_the_last_event_may_be_in_a_full_tile(database: Database) -> None:
    fill(database, 256)
    seal(database)
    fill(database, 1)
    seal(database)
    execute(database, "DELETE FROM log_checkpoints WHERE size = 257")
    execute(database, "DELETE FROM log_edges WHERE level <= 0")
    execute(database, "DELETE FROM log_tiles WHERE level = 0")
    with pytest.raises(HistoryRefused, match="hash of the event at position 256 is missing"):
        seal(database)


@pytest.mark.parametrize(
    "other", [CheckpointSigner("another.example/log", bytes(32)), CheckpointSigner(DEFAULT_ORIGIN, bytes(32))]
)
def test_another_name_or_key_does_not_continue_the_log(database: Database, other: CheckpointSigner) -> None:
    fill(database, 3)
    seal(database)
    fill(database, 3)
    with pytest.raises(HistoryRefused, match="not one of this log and its key"):
        seal(database, other)


def test_the_right_key_under_another_name_is_an_error_of_the_settings_and_no_alarm(
    database: Database, tmp_path: Path
) -> None:
    fill(database, 3)
    seal(database)
    renamed = CheckpointSigner("api.example.com/log", LOG_KEY)
    with pytest.raises(SettingsError, match=f"is named {DEFAULT_ORIGIN}, .* PALIMPSEST_LOG_ORIGIN={DEFAULT_ORIGIN}"):
        seal(database, renamed)
    with pytest.raises(SettingsError):
        Sealer(database.part_url("sealer"), renamed, KnownCheckpoint(tmp_path / "kept", renamed.key)).run()
    execute(database, "UPDATE log_checkpoints SET note = replace(note, E'\\n3\\n', E'\\n4\\n')")
    with pytest.raises(HistoryRefused):
        seal(database, renamed)


class Running:
    """A sealer in a thread."""

    def __init__(self, database: Database, file: Path) -> None:
        self.sealer = Sealer(database.part_url("sealer"), SIGNER, KnownCheckpoint(file, SIGNER.key))
        self._thread = Thread(target=self.sealer.run, daemon=True)

    def __enter__(self) -> "Running":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.sealer.stop()
        self._thread.join(20)
        assert not self._thread.is_alive()


def sealed(database: Database, size: int) -> Callable[[], bool]:
    return lambda: rows(database.admin_url, "SELECT max(size) FROM log_checkpoints") == [(size,)]


def test_a_refused_history_raises_an_alarm_until_it_is_restored(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealer, "REFUSED_SECONDS", 0.2)
    fill(database, 300)
    with capture_logs() as logs, Running(database, tmp_path / "kept"):
        wait_until(sealed(database, 300))
        assert gauge("refused") == 0
        execute(database, "UPDATE stored_events SET state = state || 'x'::bytea WHERE notification_id = 300")
        fill(database, 5)
        wait_until(lambda: gauge("refused") == 1)
        [(size,)] = rows(database.admin_url, "SELECT max(size) FROM log_checkpoints")
        assert size == 300
        execute(
            database,
            "UPDATE stored_events SET state = substr(state, 1, length(state) - 1) WHERE notification_id = 300",
        )
        wait_until(sealed(database, 305))
        wait_until(lambda: gauge("refused") == 0)
    refusals = [entry for entry in logs if entry["log_level"] == "error"]
    assert {entry["reason"] for entry in refusals} == {"the event at position 300 is not the one that was sealed"}
    require_one_history(database)


def test_notifications_that_came_meanwhile_make_an_idle_sealer_look_once(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them made it read the log again, after it had nothing left to seal."""
    looked, step = list[int](), SealingSession.step

    def step_and_notify(self: SealingSession, held: Callable[[], bool]) -> int:
        events = step(self, held)
        looked.append(events)
        with psycopg.connect(database.admin_url, autocommit=True) as connection:
            for _ in range(100 if events else 0):
                connection.execute(f"NOTIFY {APPENDED_CHANNEL}")
        return events

    monkeypatch.setattr(SealingSession, "step", step_and_notify)
    fill(database, 10)
    with Running(database, tmp_path / "kept"):
        wait_until(lambda: len(looked) > 1)
        sleep(2 * sealer.POLL_SECONDS)
    assert sum(looked) == 10
    assert len(looked) <= 6


def test_a_sealer_that_is_behind_pauses_only_while_others_append(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses, pause_after, step = list[tuple[bool, bool]](), sealer.pause_after, SealingSession.step
    others_append = Event()

    def remember(took: float, *, has_backlog: bool, appended: bool) -> float:
        pauses.append((has_backlog, appended))
        return pause_after(took, has_backlog=has_backlog, appended=appended)

    def step_beside_others(self: SealingSession, held: Callable[[], bool]) -> int:
        if others_append.is_set():
            rows(database.admin_url, f"NOTIFY {APPENDED_CHANNEL}")
        return step(self, held)

    monkeypatch.setattr(sealing_session, "PAGE_EVENTS", 100)
    monkeypatch.setattr(sealer, "pause_after", remember)
    monkeypatch.setattr(SealingSession, "step", step_beside_others)
    for size, grows in ((250, False), (500, True)):
        fill(database, 250)
        pauses.clear()
        (others_append.set if grows else others_append.clear)()
        with Running(database, tmp_path / "kept"):
            wait_until(sealed(database, size))
        assert pauses[:2] == [(True, grows)] * 2
    require_one_history(database)


def set_back(database: Database, edges: list[tuple[Any, ...]]) -> None:
    """Set log and tree back to 10 events, as a restored backup does. `edges`: those of that time."""
    with psycopg.connect(database.admin_url) as connection:
        connection.execute("LOCK TABLE log_checkpoints, stored_events")
        connection.execute("DELETE FROM log_checkpoints WHERE size > 10")
        connection.execute("DELETE FROM stored_events WHERE notification_id > 10")
        for level, content in edges:
            connection.execute("UPDATE log_edges SET content = %s WHERE level = %s", [content, level])


EDGES = "SELECT level, content FROM log_edges"
REFUSAL = "the history is not the one that was signed; nothing is sealed"


def refused(logs: Sequence[Mapping[str, object]], words: str, event: str = REFUSAL) -> Callable[[], bool]:
    return lambda: any(entry["event"] == event and words in str(entry.get("reason")) for entry in logs)


def test_a_database_that_was_set_back_under_a_running_sealer_is_not_sealed_again(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a restored backup: log and tree fit each other, but a later checkpoint was signed."""
    monkeypatch.setattr(sealer, "REFUSED_SECONDS", 0.2)
    fill(database, 10)
    with capture_logs() as logs, Running(database, tmp_path / "kept"):
        wait_until(sealed(database, 10))
        before = rows(database.admin_url, EDGES)
        fill(database, 10)
        wait_until(sealed(database, 20))
        set_back(database, before)
        wait_until(lambda: gauge("refused") == 1)
        fill(database, 30, b"another history")
        wait_until(refused(logs, "size 20 was signed"))
        assert len(notes(database)) == 1
    assert gauge("refused") == 0  # unknown, once it has ended


def test_a_database_that_was_set_back_between_two_sealers_is_not_sealed_again(
    database: Database, tmp_path: Path
) -> None:
    """What was signed last was known only to the process that had led: the next one sealed another history."""
    file = tmp_path / "data" / "kept"
    fill(database, 10)
    seal(database)
    before = rows(database.admin_url, EDGES)
    with Running(database, file):
        fill(database, 10)
        wait_until(sealed(database, 20))
        wait_until(lambda: "\n20\n" in file.read_text())
    assert file.stat().st_mode & 0o777 == 0o600
    set_back(database, before)
    fill(database, 30, b"another history")
    with capture_logs() as logs, Running(database, file):
        wait_until(refused(logs, "size 20 was signed"))
        assert any(f"{file} keeps that checkpoint. Restore the log" in str(entry.get("reason")) for entry in logs)
    assert len(notes(database)) == 1
    file.rename(tmp_path / "evidence")
    with Running(database, file):
        wait_until(sealed(database, 40))


def test_a_sealer_that_stands_by_remembers_what_the_leader_has_signed(database: Database, tmp_path: Path) -> None:
    event = "the leader seals another history than the one that was signed"
    file = tmp_path / "kept"
    fill(database, 10)
    seal(database)
    before = rows(database.admin_url, EDGES)
    with LeaderLease(database.part_url("sealer"), SEALER_LEADER, DEFAULT_ORIGIN) as lease:
        assert lease.try_take()
        with capture_logs() as logs, Running(database, file):
            fill(database, 10)
            seal(database)
            wait_until(lambda: file.exists() and "\n20\n" in file.read_text())
            set_back(database, before)
            wait_until(refused(logs, "size 20 was signed", event))
            fill(database, 30, b"another history")
            seal(database)  # by a leader that has forgotten
            wait_until(refused(logs, "the tree of size 40 does not continue the checkpoint of size 20", event))
            assert gauge("refused") == 1
            lease.close()
            wait_until(refused(logs, "does not continue the checkpoint of size 20"))
    assert len([entry for entry in logs if entry["event"] == event]) == 2


def test_a_tile_that_is_left_over_raises_an_alarm_and_no_hot_loop(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any unique violation was taken for another sealer, and tried again at once, for ever."""
    monkeypatch.setattr(sealer, "REFUSED_SECONDS", 0.2)
    execute(database, "INSERT INTO log_tiles VALUES (0, 0, '')")
    fill(database, 300)
    with capture_logs() as logs, Running(database, tmp_path / "kept"):
        wait_until(refused(logs, "is stored already (Key (level, number)=(0, 0) already exists.)"))
        assert gauge("refused") == 1
        assert notes(database) == []
        execute(database, "DELETE FROM log_tiles")
        wait_until(sealed(database, 300))
    require_one_history(database)


def test_a_page_that_another_sealer_has_sealed_is_tried_again_after_a_pause(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = list[float]()

    def step(self: SealingSession, held: Callable[[], bool]) -> int:
        tried.append(monotonic())
        raise psycopg.errors.UniqueViolation

    monkeypatch.setattr(sealer, "RETRY_SECONDS", 0.1)
    monkeypatch.setattr(SealingSession, "step", step)
    with Running(database, tmp_path / "kept"):
        wait_until(lambda: len(tried) > 3)
    assert all(later - earlier >= 0.1 for earlier, later in pairwise(tried))


@pytest.mark.parametrize("content", ["nothing", CheckpointSigner(DEFAULT_ORIGIN, bytes(32)).sign(3, bytes(32))])
def test_a_kept_checkpoint_that_is_not_of_this_log_is_explained(tmp_path: Path, content: str) -> None:
    file = tmp_path / "kept"
    file.write_text(content)
    with pytest.raises(SettingsError, match=r"is not a checkpoint of this log: .* move that file away"):
        KnownCheckpoint(file, SIGNER.key)
    file.write_bytes(b"\xff")
    with pytest.raises(SettingsError, match="cannot be read"):
        KnownCheckpoint(file, SIGNER.key)


def test_a_file_that_cannot_be_written_stops_no_sealer(database: Database, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with capture_logs() as logs, Running(database, tmp_path / "file" / "kept"):
        for size in (5, 10):
            fill(database, 5)
            wait_until(sealed(database, size))
    assert len([entry for entry in logs if "not kept over a restart" in entry["event"]]) == 1


def test_the_lag_is_measured(database: Database) -> None:
    async def measure() -> None:
        async with open_store(database.app_url) as opened:
            await lag.measure(opened.database)

    asyncio.run(measure())
    assert (gauge("position"), gauge("lag_events"), gauge("lag_seconds")) == (0, 0, 0)
    fill(database, 5)
    seal(database)
    fill(database, 7)
    asyncio.run(measure())
    assert (gauge("position"), gauge("lag_events")) == (5, 7)
    assert gauge("lag_seconds") >= 0


def test_killed_and_frozen_sealers_sign_one_history(database: Database) -> None:
    """Two processes, of which one is killed or frozen again and again while the log grows."""
    chance = random.Random(11)
    with open_folder() as folder:
        processes = []
        for number in range(2):
            own = folder / str(number)
            own.mkdir()
            processes.append(RoleProcess("sealer", environment(database, None, 8000, own), own))
            processes[-1].start()
        try:
            fill(database, 20)
            wait_until(lambda: len(notes(database)) > 0, 30)
            for strike in range(6):
                for _ in range(5):
                    fill(database, chance.choice([1, 20, 400]))
                    sleep(chance.random() * 0.3)
                struck = processes[strike % 2]
                if strike % 3 == 2:
                    with frozen(struck.pid):
                        fill(database, 30)
                        sleep(4)
                else:
                    struck.kill()
                    struck.start()
            fill(database, 3)
            wait_until(sealed(database, len(entries(database))), 60)
        finally:
            for process in processes:
                process.kill()
    require_one_history(database)
    assert len(notes(database)) > 5
