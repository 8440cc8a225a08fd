"""Rotations: what they wrap and stamp again, without a database. With one: integration/test_key_rotation.py."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import pytest

from infra.errors import SetupError
from infra.postgres.connect import Connection
from infra.postgres.locks import LOCK_APPENDS, LOCK_ENQUEUES
from infra.sealing import receipts
from infra.sealing.check_values import COMPARED, RECORD_KEY, SELECT_KEYS, RecordedKey, check_value
from infra.sealing.key_encryption import KeyEncryptionKeys
from infra.sealing.key_ring import KeyKind, KeyRing
from infra.sealing.process_keys import wrapping_of
from infra.sealing.rotation import (
    CLOSE,
    COUNT,
    DATA_KEYS,
    DELETE_SNAPSHOTS,
    EARLIER,
    OUTDATED_SNAPSHOTS,
    RECEIPTS,
    RECORD,
    RESTAMP,
    RETIRE,
    REWRAP,
    _remove_snapshots,
    _restamp,
    _rewrapped,
    compared,
    is_unfinished,
    lock,
    promote,
    retire_signing_keys,
    retire_store_keys,
    rewrap,
)
from infra.sealing.store_keys import StoreKeys
from tests.support.stores import KEY_RING

ONE, TWO, THREE = (UUID(int=number) for number in (1, 2, 3))
OLD, NEW, DATA_KEY = bytes(32), bytes(range(32)), bytes([7] * 32)
WHEN = datetime(2026, 11, 29, tzinfo=UTC)


class Recorded:
    """A connection with the answers to some queries, page by page; it keeps what else is executed."""

    def __init__(self, answers: dict[str, list[list[Any]]]) -> None:
        self.answers = {query: [*pages, []] for query, pages in answers.items()}
        self.asked: list[Any] = []
        self.written: list[tuple[str, Sequence[Any]]] = []
        self.page: list[Any] = []

    def execute(self, query: str, params: Sequence[Any] = ()) -> "Recorded":
        if query in self.answers:
            self.page = self.answers[query].pop(0)
            self.asked.append(params)
        else:
            self.written.append((query, params))
        return self

    def fetchall(self) -> list[Any]:
        return self.page

    def fetchone(self) -> Any:
        return self.page[0]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.page)

    def transaction(self) -> AbstractContextManager[None]:
        return nullcontext()


def connection_with(answers: dict[str, list[list[Any]]]) -> tuple[Connection, Recorded]:
    """A connection with these answers, as the code and as the test sees it."""
    recorded = Recorded(answers)
    return cast(Connection, recorded), recorded


def test_a_data_key_that_does_not_open_is_named_and_the_others_are_wrapped_again() -> None:
    wrapping = KeyEncryptionKeys("new", {"old": OLD, "new": NEW})
    old = KeyEncryptionKeys("old", {"old": OLD})
    first, current = old.wrap(ONE, DATA_KEY), wrapping.wrap(THREE, DATA_KEY)
    page = [(TWO, first, "old"), (ONE, first, "old"), (THREE, current, "new")]
    connection, recorded = connection_with({DATA_KEYS: [page]})
    assert list(_rewrapped(connection, wrapping)) == [(3, {TWO})]
    [(query, [kek_id, subjects, before, after])] = recorded.written
    assert (query, kek_id, subjects, before) == (REWRAP, "new", [ONE], [first])
    assert wrapping.unwrap(ONE, after[0], "new") == DATA_KEY


def test_data_keys_are_read_page_by_page_and_nothing_is_written_where_all_are_current() -> None:
    wrapping = KeyEncryptionKeys("new", {"new": NEW})
    pages = [[(subject, wrapping.wrap(subject, DATA_KEY), "new")] for subject in (ONE, TWO)]
    connection, recorded = connection_with({DATA_KEYS: pages})
    assert list(_rewrapped(connection, wrapping)) == [(1, set()), (1, set())]
    assert [after for after, _ in recorded.asked[1:]] == [ONE, TWO]
    assert recorded.written == []


def test_a_rewrap_closes_the_earlier_keys_first_retires_them_last_and_reports_its_progress() -> None:
    ring = KEY_RING.with_next(KeyKind.KEY_ENCRYPTION).promoted(KeyKind.KEY_ENCRYPTION)
    wrapping = KeyEncryptionKeys(*wrapping_of(ring))
    pages = [[(ONE, wrapping.wrap(ONE, DATA_KEY), wrapping.current)], [(TWO, b"damaged", "old"), (THREE, b"", "old")]]
    connection, recorded = connection_with({COUNT: [[(3,)]], DATA_KEYS: pages})
    steps: list[tuple[int, int]] = []
    assert rewrap(connection, ring, lambda done, total: steps.append((done, total))) == {TWO, THREE}
    assert steps == [(1, 3), (3, 3)]
    closing = [(LOCK_ENQUEUES, ()), (LOCK_APPENDS, ()), (CLOSE, ["key-encryption"])]
    assert recorded.written == [*closing, (RETIRE, ["key-encryption"])]


def test_a_promotion_is_recorded_once() -> None:
    key = KEY_RING.current(KeyKind.STORE)
    row = (key.kind.value, key.id, check_value(key), "current", None)
    known, before = connection_with({SELECT_KEYS: [[row]]})
    promote(known, key)
    assert before.written == []
    other, after = connection_with({SELECT_KEYS: [[("signing", key.id, b"", "current", None)]]})
    promote(other, key)
    assert after.written == [(EARLIER, ["store"]), (RECORD, list(row[:3]))]


def test_before_the_first_start_the_current_keys_are_recorded() -> None:
    keys = [key for key in KEY_RING.keys if key.kind in COMPARED]
    rows = [RecordedKey(key.kind, key.id, check_value(key), "current", None) for key in keys]
    connection, recorded = connection_with({SELECT_KEYS: [[], rows]})
    assert compared(connection, KEY_RING) == rows
    assert recorded.written == [(RECORD_KEY, list(row[:3])) for row in rows]


def test_retired_signing_keys_are_recorded_as_such() -> None:
    connection, recorded = connection_with({})
    retire_signing_keys(connection)
    assert recorded.written == [(RETIRE, ["signing"])]


def test_outdated_snapshots_are_removed_page_by_page() -> None:
    pages = [[(ONE, 5), (ONE, 7)], [(TWO, 1)]]
    connection, recorded = connection_with({OUTDATED_SNAPSHOTS: pages})
    _remove_snapshots(connection, b"tag")
    assert recorded.written == [(DELETE_SNAPSHOTS, [[ONE, ONE], [5, 7]]), (DELETE_SNAPSHOTS, [[TWO], [1]])]
    assert [asked[:3] for asked in recorded.asked[1:]] == [[b"tag", ONE, 7], [b"tag", TWO, 1]]


def test_a_damaged_receipt_stays_and_the_others_are_stamped_again() -> None:
    before, after = StoreKeys(OLD), StoreKeys(NEW, [OLD])
    good = receipts.receipt(before, ONE, WHEN, 5)
    pages = [[(TWO, WHEN, good), (ONE, WHEN, good)], [(TWO, WHEN, good)]]
    connection, recorded = connection_with({RECEIPTS: pages})
    _restamp(connection, after)
    assert recorded.written == [(RESTAMP, [[ONE], [good], [receipts.receipt(after, ONE, WHEN, 5)]])]
    assert [(tag, subject) for tag, subject, _ in recorded.asked[1:]] == [(after.tag, ONE), (after.tag, TWO)]


@pytest.mark.parametrize("free", [True, False])
def test_a_rotation_excludes_others(free: bool) -> None:
    connection, _ = connection_with({"SELECT pg_try_advisory_lock(%s)": [[(free,)]]})
    with nullcontext() if free else pytest.raises(SetupError):
        lock(connection)


@pytest.mark.parametrize(("positions", "last"), [([None], 0), ([3, 7, None], 7)])
def test_retired_store_keys_stamped_up_to_the_last_position_at_which_one_was_closed(
    positions: list[int | None], last: int
) -> None:
    rows = [(KeyKind.STORE, f"0a0a0a{n:02x}", bytes(32), "closed", position) for n, position in enumerate(positions)]
    others = [(KeyKind.SIGNING, "signing", bytes(32), "current", 9)]
    connection, recorded = connection_with({SELECT_KEYS: [[*rows, *others]], RECEIPTS: [], OUTDATED_SNAPSHOTS: []})
    assert retire_store_keys(connection, KEY_RING) == last
    assert recorded.written[-1] == (RETIRE, ["store"])


ROTATED = KEY_RING.with_next(KeyKind.SIGNING).promoted(KeyKind.SIGNING)
SIGNING, STORE = (KEY_RING.current(kind) for kind in (KeyKind.SIGNING, KeyKind.STORE))


@pytest.mark.parametrize(
    ("ring", "kind", "state", "unfinished"),
    [
        (KEY_RING, KeyKind.SIGNING, "current", False),
        (KEY_RING, KeyKind.SIGNING, "earlier", True),
        (KEY_RING, KeyKind.SIGNING, "closed", True),
        (KEY_RING, KeyKind.SIGNING, "retired", False),
        (KEY_RING, KeyKind.STORE, "earlier", False),
        (KEY_RING.with_next(KeyKind.SIGNING), KeyKind.SIGNING, "current", True),
        (KEY_RING.with_next(KeyKind.STORE), KeyKind.SIGNING, "current", False),
        (ROTATED, KeyKind.SIGNING, "retired", True),
        (ROTATED.limited(KeyKind.SIGNING, 60), KeyKind.SIGNING, "retired", False),
    ],
    ids=[
        "nothing has begun",
        "an earlier key is recorded",
        "a closed key is recorded",
        "a retired key is recorded",
        "an earlier key of another kind is recorded",
        "the document has a next key",
        "the document has a next key of another kind",
        "an earlier key has no limit",
        "an earlier key has a limit",
    ],
)
def test_a_rotation_is_unfinished_from_its_next_key_until_nothing_needs_the_earlier_one(
    ring: KeyRing, kind: KeyKind, state: str, unfinished: bool
) -> None:
    rows = [RecordedKey(KeyKind.SIGNING, "signing", bytes(32), state, None)]
    assert is_unfinished(ring, rows, kind) == unfinished
