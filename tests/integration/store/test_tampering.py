"""Whatever a database superuser without our keys changes in the log or in the data keys is found (M1)."""

from uuid import UUID

import pytest

from application.ports import Undecodable, Unreadable
from infra.sealing.damage import damage_counter
from infra.sealing.store_keys import Damage
from infra.store.stream_reader import StreamGap
from tests.support.note import NOW, Note
from tests.support.servers import Database
from tests.support.stores import CALL, open_store, rows

ONE, OTHER = UUID(int=0xA1), UUID(int=0xB2)
STATE_OF = "(SELECT state FROM stored_events WHERE originator_id = '{}' AND originator_version = {})"
FIRST, SECOND = [f"WHERE originator_id = '{ONE}' AND originator_version = {version}" for version in (1, 2)]

CHANGES = {
    "an event of another stream in its place": f"SET state = {STATE_OF.format(OTHER, 2)} {SECOND}",
    "an event of another version in its place": f"SET state = {STATE_OF.format(ONE, 3)} {SECOND}",
    "an event under another type": f"SET topic = 'note.relabelled' {SECOND}",
    "an event with other first bytes": f"SET state = overlay(state PLACING '\\x01020304'::bytea FROM 1) {SECOND}",
    "an event with the tag of another key": f"SET state = overlay(state PLACING '\\x00000000'::bytea FROM 2) {SECOND}",
    "an event without its end": f"SET state = substring(state FOR length(state) - 1) {SECOND}",
    "an event with more at its end": f"SET state = state || '\\x00' {SECOND}",
    "an event with nothing": f"SET state = '' {SECOND}",
    "the sealed part of another event": (
        f"SET state = substring(state FOR length(state) - 40)"
        f" || substring({STATE_OF.format(ONE, 3)} FROM length(state) - 39) {SECOND}"
    ),
    "a first event with nothing": f"SET state = '' {FIRST}",
    "a first event without its end": f"SET state = substring(state FOR 40) {FIRST}",
    "a first event for another kind of tenant": f"SET state = set_byte(state, 44, 9) {FIRST}",
    "another actor": (
        f"SET state = overlay(state PLACING uuid_send('{OTHER}')"
        f" FROM position(uuid_send('{UUID(int=7)}') IN state)) {SECOND}"
    ),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_changed_event_is_damage_of_its_stream_alone(database: Database, change: str) -> None:
    async with open_store(database.app_url) as opened:
        for id in (ONE, OTHER):
            note = Note.write(id, f"text of {id}")
            note.extend("second line")
            note.extend("third line!")
            await opened.store.append([note], CALL, None)
        rows(database.admin_url, f"UPDATE stored_events {CHANGES[change]}")
        before = damage_counter.labels("event")._value.get()
        read = await opened.feed().read(0, 10)
        changed = 1 if CHANGES[change].endswith(FIRST) else 2
        assert [each.position for each in read if each.data == Undecodable("Damage")] == [changed]
        assert damage_counter.labels("event")._value.get() == before + 1
        with pytest.raises(Damage):
            await opened.store.load(Note, ONE)
        whole = await opened.store.load(Note, OTHER)
        assert whole is not None
        assert whole.version == 3


async def test_events_in_exchanged_places_are_damage(database: Database) -> None:
    async with open_store(database.app_url) as opened:
        note = Note.write(ONE, "first")
        note.extend("second")
        note.extend("third")
        await opened.store.append([note], CALL, None)
        for version, other in ((2, 99), (3, 2), (99, 3)):
            exchange = "UPDATE stored_events SET originator_version = %s WHERE originator_version = %s"
            rows(database.admin_url, exchange, other, version)
        read = await opened.feed().read(0, 10)
        assert [each.data == Undecodable("Damage") for each in read] == [False, True, True]
        with pytest.raises((Damage, StreamGap)):
            await opened.store.load(Note, ONE)


KEY_CHANGES = {
    "the key of another subject": f"SET wrapped = (SELECT wrapped FROM data_keys WHERE subject_id = '{OTHER}')",
    "a key under another name": "SET kek_id = 'another'",
    "a key with a changed bit": "SET wrapped = set_bit(wrapped, 200, 1 - get_bit(wrapped, 200))",
    "a key without its end": "SET wrapped = substring(wrapped FOR 60)",
    "a receipt of an erasure that never was": "SET wrapped = NULL, erased_at = now(), receipt = decode('01', 'hex')",
}


@pytest.mark.parametrize("change", KEY_CHANGES)
async def test_a_changed_data_key_is_damage_of_its_subject_alone(database: Database, change: str) -> None:
    """H6: one key that did not open stopped every read model."""
    async with open_store(database.app_url) as opened:
        await opened.store.append([Note.write(ONE, "one"), Note.write(OTHER, "other")], CALL, None)
    rows(database.admin_url, f"UPDATE data_keys {KEY_CHANGES[change]} WHERE subject_id = '{ONE}'")
    async with open_store(database.app_url) as opened:
        one, other = await opened.feed().read(0, 10)
        assert one.data == Undecodable("Damage")
        assert isinstance(other.data, Note.Written)
        with pytest.raises(Damage):
            await opened.store.load(Note, ONE)


WRECKS = {
    "the first event": "UPDATE stored_events SET state = '' WHERE originator_version = 1",
    "an event between": "UPDATE stored_events SET state = '' WHERE originator_version = 2",
    "the last event": "UPDATE stored_events SET state = '' WHERE originator_version = 3",
    "a gap": "DELETE FROM stored_events WHERE originator_version = 2",
    "the data key": "UPDATE data_keys SET wrapped = set_bit(wrapped, 200, 1 - get_bit(wrapped, 200))",
}


@pytest.mark.parametrize("wreck", WRECKS)
async def test_a_damaged_stream_can_be_erased(database: Database, wreck: str) -> None:
    async with open_store(database.app_url) as opened:
        note = Note.write(ONE, "first", "label")
        note.extend("second")
        note.extend("third")
        await opened.store.append([note], CALL, None)
    rows(database.admin_url, WRECKS[wreck])
    async with open_store(database.app_url) as opened:
        with pytest.raises(Unreadable):
            await opened.store.load(Note, ONE)
        shell = await opened.store.shell(Note, ONE)
        assert shell is not None
        assert (shell.version, shell.tenant, shell.erased) == (3, note.tenant, False)
        shell.erase_unread(now=NOW)
        await opened.store.append([shell], CALL, None)
        again = await opened.store.shell(Note, ONE)
        assert again is not None
        assert (again.version, again.erased) == (4, True)
    assert rows(database.admin_url, "SELECT wrapped, length(receipt) FROM data_keys") == [(None, 25)]
    assert rows(database.admin_url, "SELECT FROM claims") == []


async def test_a_stream_whose_every_event_is_damaged_has_no_shell(database: Database) -> None:
    async with open_store(database.app_url) as opened:
        await opened.store.append([Note.write(ONE, "first")], CALL, None)
        rows(database.admin_url, "UPDATE stored_events SET state = ''")
        with pytest.raises(Unreadable):
            await opened.store.shell(Note, ONE)
