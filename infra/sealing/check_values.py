"""Check values: they show whether keys are those that a database was written with, without revealing them.

A check value is derived from the key by HKDF-SHA-256 (RFC 5869), bound to its purpose, kind and id: it says nothing
about the key, and nothing that the key protects is derived in this way. Table `keys` holds the check value of each key.
"""

import hmac
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from infra.errors import SetupError
from infra.sealing.key_ring import KeyKind, KeyRing, KeyState, RingKey
from infra.sealing.store_keys import Purpose, framed

CLOSED, RETIRED = "closed", "retired"
"""States of a key in the database alone: it protects nothing new; nothing needs it any more but earlier events."""

SELECT_KEYS = "SELECT kind, id, check_value, state, position FROM keys ORDER BY recorded_at"
"""Rows of `RecordedKey`."""
SIGNING_KEY_DAYS = """
SELECT extract(day FROM clock_timestamp() - recorded_at)::int FROM keys WHERE kind = 'signing' AND state = 'current'
"""
"""The age of the signing key, in whole days since it was recorded."""
MAX_SIGNING_KEY_DAYS = 90
"""Signing keys are to be rotated each quarter."""
COMPARED = tuple(kind for kind in KeyKind if kind is not KeyKind.LOG)
"""The kinds that are recorded and compared. The log key is not: only the sealer needs it, and the checkpoints that were
signed say whether it is the right one. Another one, or none, must stop no other process. Rows of it are ignored."""
RECORD_KEY = "SELECT record_key(%s, %s, %s)"
"""Takes the values of `values_of`."""


class WrongKey(SetupError):
    """A key is not the one that the database was written with. The message names it by kind and id."""


class RecordedKey(NamedTuple):
    """A row of `keys`. `state`: current, earlier, closed or retired; `position`: the last one a store key stamped."""

    kind: str
    id: str
    check_value: bytes
    state: str
    position: int | None


def check_value(key: RingKey) -> bytes:
    """Return the check value of a key, 32 bytes."""
    info = framed(Purpose.KEY_CHECK, key.kind.encode(), key.id.encode())
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(key.secret)


def values_of(key: RingKey) -> list[str | bytes]:
    """Return what is recorded of a key: kind, id, check value."""
    return [key.kind.value, key.id, check_value(key)]


def unrecorded(ring: KeyRing, rows: Iterable[RecordedKey]) -> list[RingKey]:
    """Return the keys to record at the first start: the current ones of kinds without any row."""
    known = {row.kind for row in rows}
    return [ring.current(kind) for kind in COMPARED if kind not in known]


def problems(ring: KeyRing, rows: Iterable[RecordedKey]) -> Iterator[str]:
    """Compare the keys with those recorded; say what is wrong. Keys of kinds without any row are not compared."""
    recorded = {(row.kind, row.id): row for row in rows if row.kind != KeyKind.LOG}
    kinds = {kind for kind, _ in recorded}
    for key in ring.keys:
        row = recorded.get((key.kind, key.id))
        if key.kind not in kinds or (row is None and key.state is KeyState.NEXT):
            continue
        if row is None:
            yield f"The {key.name} is not one that this database was written with. Restore the right key document."
        elif not hmac.compare_digest(row.check_value, check_value(key)):
            yield f"The secret of the {key.name} is wrong for this database. Restore the right key document."
        elif row.state in (CLOSED, RETIRED) and key.state is KeyState.CURRENT:
            yield f"The {key.name} was replaced by a rotation. Use the key document of that rotation."
    known = {(key.kind, key.id) for key in ring.keys}
    for row in recorded.values():
        if (row.kind, row.id) not in known and _is_needed(row):
            yield f"The {row.kind} key '{row.id}', which this database needs, is not in the key document. Restore it."


def require(ring: KeyRing, rows: Iterable[RecordedKey]) -> None:
    """Compare the keys with those recorded.

    Raises:
        WrongKey: one of them is wrong, or missing.
    """
    found = list(problems(ring, rows))
    if found:
        raise WrongKey("\n".join(found))


def _is_needed(row: RecordedKey) -> bool:
    """Whether stored data cannot be read without the key. Tokens of earlier signing keys are not stored."""
    if row.kind == KeyKind.SIGNING:
        return row.state == KeyState.CURRENT
    return row.kind == KeyKind.STORE or row.state != RETIRED
