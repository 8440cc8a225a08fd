"""Tamper drills: what a superuser changes in a sealed log, where `audit verify` finds it, and which checks find it.

Two logs are sealed once, and copied for each drill: the filled one, of 700 events in five checkpoints and 3 events that
are not sealed; and the written one, of events with stamps and personal fields, as a store writes them.
"""

from collections.abc import Callable
from typing import NamedTuple
from uuid import UUID

from infra.audit.cosigned_rows import ADD
from infra.sealing.store_keys import StoreKeys
from infra.store.event_bytes import CONTENT_AT, frame_of, stamped
from tests.support.given import NOW
from tests.support.note import Note
from tests.support.sealing import empty_tree, execute, fill, last_note, seal
from tests.support.servers import Database
from tests.support.stores import CALL, STAMPS, open_store, rows
from tests.support.witness_server import WitnessServer

SEALED = (1, 100, 256, 400, 700)
"""The filled log grows to these sizes, and is sealed at each."""
EVE = UUID(int=0xE7E)


def fill_log(database: Database) -> None:
    """Make the filled log."""
    size = 0
    for until in SEALED:
        fill(database, until - size)
        size = seal(database)
    fill(database, 3)


async def write_log(database: Database) -> None:
    """Make the written log: notes of three streams, of which the last is erased at position 6. Sealed at 4 and 7."""
    first, second, third = (Note.write(UUID(int=number), "Otters.") for number in (1, 2, 3))
    async with open_store(database.app_url) as opened:

        async def append(note: Note) -> None:
            await opened.store.append([note], CALL, None)

        for note in (first, second):
            await append(note)
            note.extend("Beavers.")
            await append(note)
        seal(database)
        await append(third)
        third.erase()
        await append(third)
        await append(Note.write(UUID(int=4), "Newts."))
    seal(database)


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


def reseal(database: Database) -> None:
    """Make tree and checkpoints fit the log again, without the key: the notes stay those that were signed."""
    signed = rows(database.admin_url, "SELECT size, previous, note, signed_at FROM log_checkpoints ORDER BY size")
    empty_tree(database)
    for size, *_ in signed:
        execute(database, "CREATE TABLE parked AS SELECT * FROM stored_events WHERE notification_id > %s", size)
        execute(database, "DELETE FROM stored_events WHERE notification_id > %s", size)
        seal(database)
        execute(database, "INSERT INTO stored_events SELECT * FROM parked")
        execute(database, "DROP TABLE parked")
    execute(database, "DELETE FROM log_checkpoints")
    for row in signed:
        execute(database, "INSERT INTO log_checkpoints VALUES (%s, %s, %s, %s)", *row)


def seal_again(database: Database) -> None:
    """Sign everything again with the stolen key of the log."""
    empty_tree(database)
    seal(database)


def change_and_reseal(database: Database) -> None:
    """Change an event, and make all tiles again."""
    execute(database, "UPDATE stored_events SET state = 'x'::bytea WHERE notification_id = 300")
    reseal(database)


def seal_changed(database: Database) -> None:
    """Change an event, and sign everything again."""
    execute(database, "UPDATE stored_events SET state = 'x'::bytea WHERE notification_id = 300")
    seal_again(database)


def cosign(database: Database, size: int) -> None:
    """Have a witness cosign the last checkpoint, and keep that as one of this size."""
    witness = WitnessServer()
    execute(database, ADD, size, str(witness.key), witness.line(last_note(database)), NOW)


def seal_changed_after_cosigning(database: Database) -> None:
    """Change an event, and sign everything again, after a witness has cosigned it."""
    cosign(database, 700)
    seal_changed(database)


def move_cosignature(database: Database) -> None:
    """Say that a witness has cosigned another checkpoint."""
    cosign(database, 400)


def restore_backup(database: Database) -> None:
    """Set the database back, log and tree."""
    execute(database, "DELETE FROM stored_events WHERE notification_id > 400")
    seal_again(database)


def fork(database: Database) -> None:
    """Set the database back, and write on."""
    restore_backup(database)
    fill(database, 400, b"another history")
    seal(database)


def rewrite(database: Database, stamps: StoreKeys = STAMPS) -> None:
    """Say that another user erased the note, with the stamp that the stolen store key makes."""
    [(topic, stream_id, version, stored)] = rows(
        database.admin_url,
        "SELECT topic, originator_id, originator_version, state FROM stored_events WHERE notification_id = 6",
    )
    frame = frame_of(topic)
    content = stored[CONTENT_AT:].replace(_actor().bytes, EVE.bytes)
    bound = frame + stream_id.bytes + version.to_bytes(8, "big") + content
    execute(database, "UPDATE stored_events SET state = %s WHERE notification_id = 6", stamped(bound, frame, stamps))


def rewrite_and_reseal(database: Database) -> None:
    """Rewrite history with the store key, stamps and hashes and all."""
    rewrite(database)
    reseal(database)


def restamp_and_sign(database: Database) -> None:
    """Rewrite history with the key of the log, and without the store key."""
    rewrite(database, StoreKeys(bytes(32)))
    seal_again(database)


def rewrite_and_sign(database: Database) -> None:
    """Rewrite history with the store key and the key of the log."""
    rewrite(database)
    seal_again(database)


def _actor() -> UUID:
    assert CALL.actor is not None
    return CALL.actor.user_id


SWAP_KEYS = f"""
UPDATE data_keys SET wrapped = other.wrapped FROM data_keys AS other
WHERE array[data_keys.subject_id, other.subject_id] <@ array['{UUID(int=1)}', '{UUID(int=2)}']::uuid[]
    AND data_keys.subject_id <> other.subject_id
"""
CHANGE_ACTOR = f"""
UPDATE stored_events SET state = overlay(state PLACING '\\x{EVE.hex}'::bytea FROM 62) WHERE notification_id = 2
"""
CHANGE_REQUEST = f"""
UPDATE stored_events SET state = overlay(state PLACING '\\x{EVE.hex}'::bytea FROM 78) WHERE notification_id = 4
"""
KEPT, PERSONAL = ("--checkpoint", "kept"), ("--personal",)


class Drill(NamedTuple):
    """A change, and the first wrong position. `words`: one of these alternatives is in the message.

    `checks`: each of them finds it alone, and without all of them it goes unnoticed. `options`: of `audit verify`;
    the file `kept` has the last checkpoint from before the change.
    """

    change: str | Callable[[Database], None]
    position: int
    words: str
    checks: tuple[str, ...]
    options: tuple[str, ...] = ()
    log: str = "filled"

    def make(self, database: Database) -> None:
        """Change a log, as a superuser."""
        if callable(self.change):
            self.change(database)
            return
        for statement in filter(str.strip, self.change.split(";")):
            execute(database, statement)


DRILLS = {
    "a byte is changed": Drill(
        "UPDATE stored_events SET state = set_byte(state, 5, get_byte(state, 5) # 1) WHERE notification_id = 300",
        300,
        "stored bytes of the event were changed",
        checks=("root", "tiles"),
    ),
    "a byte of the first event is changed": Drill(
        "UPDATE stored_events SET state = set_byte(state, 5, get_byte(state, 5) # 1) WHERE notification_id = 1",
        1,
        "stored bytes",
        checks=("root", "tiles"),
    ),
    "a byte of the last sealed event is changed": Drill(
        "UPDATE stored_events SET state = set_byte(state, 5, get_byte(state, 5) # 1) WHERE notification_id = 700",
        700,
        "stored bytes",
        checks=("root", "tiles"),
    ),
    "the time of an event is changed": Drill(
        "UPDATE stored_events SET recorded_at = recorded_at + interval '1 microsecond' WHERE notification_id = 257",
        257,
        "time of the event was changed",
        checks=("root", "tiles"),
    ),
    "the type of an event is changed": Drill(
        "UPDATE stored_events SET topic = 'note.written' WHERE notification_id = 512",
        512,
        "another event is there: note.written",
        checks=("root", "tiles"),
    ),
    "an event is moved to another stream": Drill(
        "UPDATE stored_events SET originator_id = gen_random_uuid() WHERE notification_id = 2",
        2,
        "another event is there",
        checks=("root", "tiles"),
    ),
    "an event is removed": Drill(
        "DELETE FROM stored_events WHERE notification_id = 300",
        300,
        "the event is missing; it was",
        checks=("position", "root", "tiles"),
    ),
    "the first event is removed": Drill(
        "DELETE FROM stored_events WHERE notification_id = 1", 1, "missing", checks=("position", "root", "tiles")
    ),
    "an event is removed and the gap closed": Drill(
        "DELETE FROM stored_events WHERE notification_id = 300;"
        + SHIFT.format(where="WHERE notification_id > 300", by="- 1"),
        300,
        "another event is there",
        checks=("root", "tiles"),
    ),
    "two events are swapped": Drill(SWAP, 150, "another event is there", checks=("root", "tiles")),
    "an event is inserted": Drill(
        SHIFT.format(where="WHERE notification_id > 300", by="+ 1") + ";" + INSERT.format(position=301),
        301,
        "another event is there",
        checks=("root", "tiles"),
    ),
    "an event is inserted beside another": Drill(
        "DROP INDEX stored_events_position;" + INSERT.format(position=300),
        300,
        "two events have this position|another event is there",
        checks=("position", "root", "tiles", "one event each"),
    ),
    "an event is inserted before the first": Drill(
        INSERT.format(position=0), 0, "none may have it", checks=("one event each",)
    ),
    "the tail is cut off": Drill(
        "DELETE FROM stored_events WHERE notification_id >= 500",
        500,
        "the log ends before it; it was",
        checks=("end", "length", "root", "tiles"),
    ),
    "all is removed": Drill("DELETE FROM stored_events", 1, "the log ends before it", checks=("end", "length", "root")),
    "a leaf is changed in the tree": Drill(
        "UPDATE log_tiles SET content = set_byte(content, 200, 7) WHERE level = -1 AND number = 1",
        259,
        "another event is there|stored bytes|something that is no event|time of the event",
        checks=("tiles",),
    ),
    "a hash is changed in the tree": Drill(
        "UPDATE log_tiles SET content = set_byte(content, 40, 7) WHERE (level, number) = (0, 1)",
        258,
        "its hash in the tree",
        checks=("tiles",),
    ),
    "a tile is removed": Drill(
        "DELETE FROM log_tiles WHERE level = -1 AND number = 1", 257, "its leaf is missing", checks=("tiles",)
    ),
    "a hash above the leaves is changed": Drill(
        "UPDATE log_edges SET content = set_byte(content, 33, get_byte(content, 33) # 1) WHERE level = 1",
        257,
        "the tile 1/000 is not the one of the events",
        checks=("tiles",),
    ),
    "a tile has more than was sealed": Drill(
        "UPDATE log_edges SET content = content || sha256('') WHERE level = 0",
        513,
        "the tile 0/002 is not the one of the events",
        checks=("tiles",),
    ),
    "a checkpoint is changed": Drill(
        "UPDATE log_checkpoints SET note = replace(note, E'\\n256\\n', E'\\n257\\n') WHERE size = 256",
        256,
        "is not signed: the signature of the note is wrong",
        checks=("signature", "root"),
    ),
    "a checkpoint is stored as another": Drill(
        "UPDATE log_checkpoints SET size = 300 WHERE size = 256",
        101,
        "not those that the checkpoint of 300 events signs",
        checks=("root", "chain"),
    ),
    "the time of an event is before 1970": Drill(
        "UPDATE stored_events SET recorded_at = '1969-12-31 23:59Z' WHERE notification_id = 300",
        300,
        "the time of the event is not one from 1970",
        checks=("leaf", "root", "tiles"),
    ),
    "an event has no time": Drill(
        "UPDATE stored_events SET recorded_at = 'infinity' WHERE notification_id = 257",
        257,
        "the time of the event is not one from 1970",
        checks=("leaf", "root", "tiles"),
    ),
    "a version is negative": Drill(
        "UPDATE stored_events SET originator_version = -1 WHERE notification_id = 700",
        700,
        "the version of the event is negative",
        checks=("leaf", "root", "tiles"),
    ),
    "the type of an event does not fit a leaf": Drill(
        "UPDATE stored_events SET topic = repeat('x', 65461) WHERE notification_id = 2",
        2,
        "the type of the event has more than 65460 bytes",
        checks=("leaf", "root", "tiles"),
    ),
    "the time of a sealed leaf is in no calendar": Drill(
        "UPDATE log_tiles SET content = overlay(content PLACING decode('7fffffffffffffff', 'hex') FROM 12) "
        "WHERE level = -1 AND number = 1",
        257,
        "it was something that is no event",
        checks=("tiles",),
    ),
    "an event that is not sealed yet has no time": Drill(
        "UPDATE stored_events SET recorded_at = 'infinity' WHERE notification_id = 703",
        703,
        "the time of the event is not one from 1970",
        checks=("leaf",),
    ),
    "an event that is not sealed yet is removed": Drill(
        "DELETE FROM stored_events WHERE notification_id = 702", 702, "the event is missing", checks=("position",)
    ),
    "a full tile is added": Drill(
        "INSERT INTO log_tiles VALUES (0, 2, '')",
        513,
        "a tile is stored that is not of the tree",
        checks=("tiles of the tree",),
    ),
    "a tile of no level is added": Drill(
        "INSERT INTO log_tiles VALUES (-2, 0, '')", 1, "level -2, number 0", checks=("tiles of the tree",)
    ),
    "a partial tile is added": Drill(
        "INSERT INTO log_edges VALUES (2, 0, sha256(''))", 1, "a partial tile is stored", checks=("edges of the tree",)
    ),
    "a partial tile is moved while it is empty": Drill(
        "INSERT INTO log_edges VALUES (2, 5, '')", 5 * 256**3 + 1, "level 2, number 5", checks=("edges of the tree",)
    ),
    "a checkpoint is removed": Drill(
        "DELETE FROM log_checkpoints WHERE size = 256", 400, "one of 256 as the one before it", checks=("chain",)
    ),
    "the first checkpoint is removed": Drill(
        "DELETE FROM log_checkpoints WHERE size = 1", 100, "and none is", checks=("chain",)
    ),
    "all checkpoints are removed": Drill(
        "DELETE FROM log_checkpoints",
        1,
        "a tile is stored that is not of the tree",
        checks=("tiles of the tree", "edges of the tree"),
    ),
    "all tiles are made again": Drill(
        change_and_reseal,
        257,
        "to position 400 are not those that the checkpoint of 400 events signs",
        checks=("root",),
    ),
    "all is signed again with the stolen key of the log": Drill(
        seal_changed, 1, "checkpoint of 700 events signs", options=KEPT, checks=("root",)
    ),
    "a witness has cosigned what is signed again": Drill(
        seal_changed_after_cosigning,
        1,
        "cosigned 700 events, and there is no such",
        checks=("cosigned checkpoint", "cosignature"),
    ),
    "a cosignature is of another checkpoint": Drill(
        move_cosignature, 1, "does not fit the checkpoint of 400 events", checks=("cosignature",)
    ),
    "a backup is restored": Drill(
        restore_backup,
        401,
        "a tree of 700 events was signed, and this one ends before",
        options=KEPT,
        checks=("length", "root"),
    ),
    "a backup is restored and written on": Drill(
        fork, 401, "checkpoint of 700 events signs", options=KEPT, checks=("root",)
    ),
    "the actor of an event is changed": Drill(
        CHANGE_ACTOR, 2, "stored bytes of the event were changed", checks=("root", "tiles"), log="written"
    ),
    "the request of an event is changed": Drill(
        CHANGE_REQUEST,
        4,
        "stored bytes of the event were changed",
        checks=("root", "tiles", "opened"),
        options=PERSONAL,
        log="written",
    ),
    "history is rewritten with the stolen store key": Drill(
        rewrite, 6, "stored bytes of the event were changed", options=PERSONAL, log="written", checks=("root", "tiles")
    ),
    "history is rewritten with the stolen store key, and all tiles": Drill(
        rewrite_and_reseal, 5, "the checkpoint of 7 events signs", options=PERSONAL, log="written", checks=("root",)
    ),
    "history is rewritten with the stolen keys of store and log": Drill(
        rewrite_and_sign,
        1,
        "the checkpoint of 7 events signs",
        options=(*KEPT, *PERSONAL),
        log="written",
        checks=("root",),
    ),
    "history is rewritten with the stolen key of the log": Drill(
        restamp_and_sign, 6, "does not open with the keys", options=PERSONAL, log="written", checks=("opened",)
    ),
    "data keys are swapped": Drill(
        SWAP_KEYS, 1, "does not open with the keys", options=PERSONAL, log="written", checks=("opened",)
    ),
    "a data key is removed": Drill(
        f"DELETE FROM data_keys WHERE subject_id = '{UUID(int=2)}'",
        3,
        "does not open with the keys",
        options=PERSONAL,
        log="written",
        checks=("opened",),
    ),
    "a data key is destroyed without an erasure": Drill(
        f"UPDATE data_keys SET wrapped = NULL, erased_at = now(), receipt = '' WHERE subject_id = '{UUID(int=2)}'",
        3,
        "does not open with the keys",
        options=PERSONAL,
        log="written",
        checks=("opened",),
    ),
}
