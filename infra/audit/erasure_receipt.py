"""Receipts of erasures: what was erased, when, and that nothing is left of it, in a note that the key of the log signs.

The text, a line each: the form, the origin of the log, the kind and id of the subject, the time of the erasure, the
position of its event, the size and root of a tree that has the event, and for each table with something personal how
many rows of the subject are left: none. All read models have followed the event. Nothing in it is personal. With the
proof of that position it shows that the history has the erasure.
"""

from base64 import b64encode
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from infra.audit import tables
from infra.audit.continuity import opened
from infra.audit.notes import CheckpointSigner, NoteRefused, VerifierKey
from infra.audit.rows import query
from infra.postgres.connect import Connection

FORM = "palimpsest-erasure-receipt/1"
"""The first line. No checkpoint has it, which begins with the origin: so a receipt is never taken for one."""

ERASING_EVENT = """
SELECT notification_id, originator_version, recorded_at FROM stored_events WHERE originator_id = %s AND topic = ANY(%s)
ORDER BY notification_id DESC LIMIT 1
"""
REPLAYS = "replay_"
"""How the names of replays begin (`infra/replay/schemas.py`), which stay where they are until they are dropped."""
BEHIND = "SELECT name FROM projections WHERE position < %s ORDER BY name"
KEYS_LEFT = """
SELECT count(*) FROM data_keys WHERE subject_id = %s AND wrapped IS NOT NULL
AND (receipt IS NULL OR substring(receipt FROM octet_length(receipt) - 3) < int4send(%s::integer))
"""
"""The data keys that were made before the erasing event of that version: none may be left.

The last four bytes of the receipt beside a key name the erasure before it (`infra/sealing/receipts.py`). So a key that
an address got later is not counted.
"""
LEFT = {
    "snapshots": "SELECT count(*) FROM snapshots WHERE originator_id = %s",
    "claims": "SELECT count(*) FROM claims WHERE originator_id = %s",
    "idempotency": "SELECT count(*) FROM idempotency WHERE subject_id = %s",
    "security_log": "SELECT count(*) FROM security_log WHERE user_id = %s",
    "recent_documents": "SELECT count(*) FROM recent_documents WHERE user_id = %s",
    "partial_texts": "SELECT count(*) FROM partial_texts WHERE generation_id = %s",
    "sessions": "SELECT count(*) FROM sessions WHERE user_id = %s AND num_nonnulls(address_id, device, client) > 0",
}
"""The other rows of a subject that an erasure deletes or empties, by table."""


class NoReceipt(Exception):
    """There is no receipt of this. The message says why."""


class SignedErasure(NamedTuple):
    """What a receipt says."""

    kind: str
    id: UUID
    erased_at: datetime


class ErasedSubject(NamedTuple):
    """What the receipt is about. `topics`: those of the events that erase it."""

    kind: str
    id: UUID
    topics: list[str]


def receipt(connection: Connection, subject: ErasedSubject, signer: CheckpointSigner) -> str:
    """Return the receipt of the last erasure of a subject, as a note that the key of the log signs.

    Raises:
        NoReceipt: it was not erased, something of it is left, or no tree has the event yet.
        HistoryRefused: the last checkpoint is not one that the log has signed.
        SettingsError: the log has signed it under another name.
    """
    log = signer.key
    found = query(connection, ERASING_EVENT, subject.id, subject.topics)
    if not found:
        raise NoReceipt(f"this {subject.kind} was not erased")
    [(position, version, recorded_at)] = found
    left = {"data_keys": query(connection, KEYS_LEFT, subject.id, version)[0][0]}
    left |= {place: query(connection, counted, subject.id)[0][0] for place, counted in LEFT.items()}
    if rest := [place for place, number in left.items() if number]:
        raise NoReceipt(f"something of it is left in {', '.join(rest)}: erase it again")
    if behind := query(connection, BEHIND, position):
        name = behind[0][0]
        advice = f"palimpsest audit replay --drop {name}" if name.startswith(REPLAYS) else "a projector must run"
        raise NoReceipt(f"the read model {name} has not followed: {advice}")
    last = tables.last_checkpoint(connection)
    if last is None or last.size < position:
        raise NoReceipt("its event is not sealed yet: a sealer must run, and does it within seconds")
    lines = [
        FORM,
        f"log {log.name}",
        f"subject {subject.kind} {subject.id}",
        f"erased {recorded_at.astimezone(UTC).isoformat(timespec='microseconds')}",
        f"event {position}",
        f"tree {last.size} {b64encode(opened(log, last).root).decode()}",
        *(f"left {place} {number}" for place, number in left.items()),
    ]
    return signer.sign_text("".join(f"{line}\n" for line in lines))


def check_receipt(note: str, log: VerifierKey) -> SignedErasure:
    """Check the signature of a receipt; return what it says.

    Raises:
        NoteRefused: it is no receipt, or the key of the log has not signed it.
    """
    lines = log.signed_text(note).splitlines()
    if lines[:2] != [FORM, f"log {log.name}"]:
        raise NoteRefused("this is not a receipt of this log")
    _, kind, id = lines[2].split(" ")
    return SignedErasure(kind, UUID(id), datetime.fromisoformat(lines[3].removeprefix("erased ")))
