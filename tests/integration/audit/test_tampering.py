"""What a superuser changes in the log or its tree is found by `audit verify`, with the first wrong position."""

import asyncio
from collections.abc import Callable

import pytest

from infra.audit import verification
from infra.audit.differences import WrongPosition
from infra.audit.tables import SignedCheckpoint
from infra.audit.tiles import TileId
from infra.audit.verification import VerificationResult, verify
from infra.postgres.connect import connect
from tests.support import relaying
from tests.support.history import History
from tests.support.sealing import SIGNER, empty_tree, execute, fill, last_note, notes, seal, stored_tiles
from tests.support.servers import Database
from tests.support.stores import rows

SEALED = (1, 100, 256, 400, 700)
"""The log grows to these sizes, and is sealed at each."""


@pytest.fixture
def sealed(database: Database) -> Database:
    """A sealed log, and three events that no checkpoint covers."""
    size = 0
    for until in SEALED:
        fill(database, until - size)
        size = seal(database)
    fill(database, 3)
    return database


def verified(database: Database, *given: str) -> VerificationResult:
    kept = [SignedCheckpoint(SIGNER.key.open(note).size, note) for note in given]
    with connect(database.part_url("auditor")) as connection:
        return verify(connection, SIGNER.key, lambda done, goal: None, kept)


def first_wrong(database: Database, *given: str) -> tuple[int, str]:
    with pytest.raises(WrongPosition) as caught:
        verified(database, *given)
    return caught.value.position, str(caught.value)


def test_a_store_as_it_was_sealed_verifies(sealed: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    assert verified(sealed) == VerificationResult(700, len(SEALED), 3)
    assert verified(sealed, *notes(sealed)) == VerificationResult(700, 2 * len(SEALED), 3)
    for events, size in ((1, 10), (7, 10_000), (255, 10_000), (700, 10_000)):
        monkeypatch.setattr(verification, "PAGE_EVENTS", events)
        monkeypatch.setattr(verification, "PAGE_BYTES", size)
        assert verified(sealed).events == 700


def test_an_empty_store_verifies(database: Database) -> None:
    assert verified(database) == VerificationResult(0, 0, 0)


def test_a_real_history_verifies_and_progress_is_reported(database: Database) -> None:
    relaying.live(database.app_url, History(5), changes=200)
    size, steps = seal(database), list[tuple[int, int]]()
    with connect(database.part_url("auditor")) as connection:
        verify(connection, SIGNER.key, lambda done, goal: steps.append((done, goal)))
    assert steps[-1] == (size, size)


SHIFT = """
UPDATE stored_events SET notification_id = -notification_id {where};
UPDATE stored_events SET notification_id = -notification_id {by} WHERE notification_id < 0
"""
"""Moves events by a position: the numbers are unique at every moment."""
INSERT = """
INSERT INTO stored_events SELECT gen_random_uuid(), 1, topic, state, {position}, recorded_at
FROM stored_events WHERE notification_id = 650
"""
SWAP = """
UPDATE stored_events SET notification_id = -1 WHERE notification_id = 150;
UPDATE stored_events SET notification_id = 150 WHERE notification_id = 640;
UPDATE stored_events SET notification_id = 640 WHERE notification_id = -1
"""

DRILLS = {
    "a byte is changed": (
        "UPDATE stored_events SET state = set_byte(state, 5, get_byte(state, 5) # 1) WHERE notification_id = 300",
        300,
        "stored bytes of the event were changed",
    ),
    "a byte of the first event is changed": (
        "UPDATE stored_events SET state = set_byte(state, 5, get_byte(state, 5) # 1) WHERE notification_id = 1",
        1,
        "stored bytes",
    ),
    "a byte of the last sealed event is changed": (
        "UPDATE stored_events SET state = set_byte(state, 5, get_byte(state, 5) # 1) WHERE notification_id = 700",
        700,
        "stored bytes",
    ),
    "the time of an event is changed": (
        "UPDATE stored_events SET recorded_at = recorded_at + interval '1 microsecond' WHERE notification_id = 257",
        257,
        "time of the event was changed",
    ),
    "the type of an event is changed": (
        "UPDATE stored_events SET topic = 'note.written' WHERE notification_id = 512",
        512,
        "another event is there: note.written",
    ),
    "an event is moved to another stream": (
        "UPDATE stored_events SET originator_id = gen_random_uuid() WHERE notification_id = 2",
        2,
        "another event is there",
    ),
    "an event is removed": (
        "DELETE FROM stored_events WHERE notification_id = 300",
        300,
        "the event is missing; it was",
    ),
    "the first event is removed": ("DELETE FROM stored_events WHERE notification_id = 1", 1, "missing"),
    "an event is removed and the gap closed": (
        "DELETE FROM stored_events WHERE notification_id = 300;"
        + SHIFT.format(where="WHERE notification_id > 300", by="- 1"),
        300,
        "another event is there",
    ),
    "two events are swapped": (SWAP, 150, "another event is there"),
    "an event is inserted": (
        SHIFT.format(where="WHERE notification_id > 300", by="+ 1") + ";" + INSERT.format(position=301),
        301,
        "another event is there",
    ),
    "an event is inserted beside another": (
        "DROP INDEX stored_events_position;" + INSERT.format(position=300),
        300,
        "two events have this position|another event is there",
    ),
    "an event is inserted before the first": (INSERT.format(position=0), 0, "none may have it"),
    "the tail is cut off": (
        "DELETE FROM stored_events WHERE notification_id >= 500",
        500,
        "the log ends before it; it was",
    ),
    "all is removed": ("DELETE FROM stored_events", 1, "the log ends before it"),
    "a leaf is changed in the tree": (
        "UPDATE log_tiles SET content = set_byte(content, 200, 7) WHERE level = -1 AND number = 1",
        259,
        "another event is there|stored bytes|something that is no event|time of the event",
    ),
    "a hash is changed in the tree": (
        "UPDATE log_tiles SET content = set_byte(content, 40, 7) WHERE (level, number) = (0, 1)",
        258,
        "its hash in the tree",
    ),
    "a tile is removed": ("DELETE FROM log_tiles WHERE level = -1 AND number = 1", 257, "its leaf is missing"),
    "a hash above the leaves is changed": (
        "UPDATE log_edges SET content = set_byte(content, 33, get_byte(content, 33) # 1) WHERE level = 1",
        257,
        "the tile 1/000 is not the one of the events",
    ),
    "a tile has more than was sealed": (
        "UPDATE log_edges SET content = content || sha256('') WHERE level = 0",
        513,
        "the tile 0/002 is not the one of the events",
    ),
    "a checkpoint is changed": (
        "UPDATE log_checkpoints SET note = replace(note, E'\\n256\\n', E'\\n257\\n') WHERE size = 256",
        256,
        "is not signed: the signature of the note is wrong",
    ),
    "a checkpoint is stored as another": (
        "UPDATE log_checkpoints SET size = 300 WHERE size = 256",
        101,
        "not those that the checkpoint of 300 events signs",
    ),
    "the time of an event is before 1970": (
        "UPDATE stored_events SET recorded_at = '1969-12-31 23:59Z' WHERE notification_id = 300",
        300,
        "the time of the event is not one from 1970",
    ),
    "an event has no time": (
        "UPDATE stored_events SET recorded_at = 'infinity' WHERE notification_id = 257",
        257,
        "the time of the event is not one from 1970",
    ),
    "a version is negative": (
        "UPDATE stored_events SET originator_version = -1 WHERE notification_id = 700",
        700,
        "the version of the event is negative",
    ),
    "the type of an event does not fit a leaf": (
        "UPDATE stored_events SET topic = repeat('x', 65461) WHERE notification_id = 2",
        2,
        "the type of the event has more than 65460 bytes",
    ),
    "the time of a sealed leaf is in no calendar": (
        "UPDATE log_tiles SET content = overlay(content PLACING decode('7fffffffffffffff', 'hex') FROM 12) "
        "WHERE level = -1 AND number = 1",
        257,
        "it was something that is no event",
    ),
    "an event that is not sealed yet has no time": (
        "UPDATE stored_events SET recorded_at = 'infinity' WHERE notification_id = 703",
        703,
        "the time of the event is not one from 1970",
    ),
    "an event that is not sealed yet is removed": (
        "DELETE FROM stored_events WHERE notification_id = 702",
        702,
        "the event is missing",
    ),
    "a full tile is added": (
        "INSERT INTO log_tiles VALUES (0, 2, '')",
        513,
        "a tile is stored that is not of the tree",
    ),
    "a tile of no level is added": ("INSERT INTO log_tiles VALUES (-2, 0, '')", 1, "level -2, number 0"),
    "a partial tile is added": ("INSERT INTO log_edges VALUES (2, 0, sha256(''))", 1, "a partial tile is stored"),
    "a partial tile is moved while it is empty": (
        "INSERT INTO log_edges VALUES (2, 5, '')",
        5 * 256**3 + 1,
        "level 2, number 5",
    ),
    "a checkpoint is removed": ("DELETE FROM log_checkpoints WHERE size = 256", 400, "one of 256 as the one before it"),
    "the first checkpoint is removed": ("DELETE FROM log_checkpoints WHERE size = 1", 100, "and none is"),
    "all checkpoints are removed": ("DELETE FROM log_checkpoints", 1, "a tile is stored that is not of the tree"),
}


@pytest.mark.parametrize(("statements", "position", "words"), DRILLS.values(), ids=DRILLS)
def test_a_change_is_found_with_its_position(sealed: Database, statements: str, position: int, words: str) -> None:
    for statement in filter(str.strip, statements.split(";")):
        execute(sealed, statement)
    found, reason = first_wrong(sealed)
    assert found == position
    assert any(each in reason for each in words.split("|")), reason


def test_the_time_of_a_checkpoint_is_not_signed_and_stops_nothing(sealed: Database) -> None:
    execute(sealed, "UPDATE log_checkpoints SET signed_at = 'infinity'")
    assert verified(sealed) == VerificationResult(700, len(SEALED), 3)
    assert seal(sealed) == 703


def test_of_two_changes_the_first_is_named(sealed: Database) -> None:
    execute(sealed, "UPDATE stored_events SET recorded_at = '-infinity' WHERE notification_id = 620")
    execute(sealed, "UPDATE stored_events SET state = ''::bytea WHERE notification_id IN (310, 620)")
    execute(sealed, "UPDATE log_checkpoints SET note = '' WHERE size = 400")
    assert first_wrong(sealed)[0] == 310


def resealed(database: Database) -> None:
    """Make tree and checkpoints fit the log again, without the key: the notes stay those that were signed."""
    signed = rows(database.admin_url, "SELECT size, previous, note, signed_at FROM log_checkpoints")
    empty_tree(database)
    for size in SEALED:
        execute(database, "CREATE TABLE parked AS SELECT * FROM stored_events WHERE notification_id > %s", size)
        execute(database, "DELETE FROM stored_events WHERE notification_id > %s", size)
        seal(database)
        execute(database, "INSERT INTO stored_events SELECT * FROM parked")
        execute(database, "DROP TABLE parked")
    execute(database, "DELETE FROM log_checkpoints")
    for row in signed:
        execute(database, "INSERT INTO log_checkpoints VALUES (%s, %s, %s, %s)", *row)


def test_a_change_with_all_tiles_made_again_does_not_fit_what_was_signed(sealed: Database) -> None:
    execute(sealed, "UPDATE stored_events SET state = 'x'::bytea WHERE notification_id = 300")
    resealed(sealed)
    position, reason = first_wrong(sealed)
    assert position == 257  # after the last checkpoint that fits
    assert "to position 400 are not those that the checkpoint of 400 events signs" in reason


def forged(database: Database) -> None:
    """Change an event, and sign everything again with the stolen key of the log."""
    execute(database, "UPDATE stored_events SET state = 'x'::bytea WHERE notification_id = 300")
    empty_tree(database)
    seal(database)


def cut(database: Database) -> None:
    """Set the database back, log and tree, as a backup does."""
    execute(database, "DELETE FROM stored_events WHERE notification_id > 400")
    empty_tree(database)
    seal(database)


def continued_otherwise(database: Database) -> None:
    """Set the database back, and write on."""
    cut(database)
    fill(database, 400, b"another history")
    seal(database)


@pytest.mark.parametrize(
    ("change", "position", "words"),
    [
        (forged, 1, "checkpoint of 700 events signs"),
        (cut, 401, "a tree of 700 events was signed, and this one ends before"),
        (continued_otherwise, 401, "checkpoint of 700 events signs"),
    ],
)
def test_a_checkpoint_that_was_kept_outside_finds_what_was_signed_again(
    sealed: Database, change: Callable[[Database], None], position: int, words: str
) -> None:
    kept = last_note(sealed)
    change(sealed)
    assert verified(sealed).events > 0  # by itself it is a history like any other
    found, reason = first_wrong(sealed, kept)
    assert found == position
    assert words in reason


async def test_the_sealer_may_go_on_meanwhile(sealed: Database) -> None:
    def seal_meanwhile(done: int, goal: int) -> None:
        seal(sealed)

    def verify_and_seal() -> VerificationResult:
        with connect(sealed.part_url("auditor")) as connection:
            return verify(connection, SIGNER.key, seal_meanwhile)

    assert await asyncio.to_thread(verify_and_seal) == VerificationResult(700, len(SEALED), 3)
    assert verified(sealed).events == 703
    assert TileId(0, 2) in stored_tiles(sealed)
