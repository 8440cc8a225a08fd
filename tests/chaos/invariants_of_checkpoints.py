"""The invariants of the signed log, as pure checks of the evidence. They are void where no sealer is at work.

They are judged by the log, and by the checkpoints that a reader got, whatever the database says of them later.
"""

from infra.audit.notes import LogCheckpoint, NoteRefused
from tests.chaos.evidence import Evidence
from tests.chaos.verdicts import Check, Verdicts, holds
from tests.support.merkle_model import root
from tests.support.sealing import SIGNER


def what_is_signed_is_the_log(evidence: Evidence) -> Verdicts:
    """Each checkpoint has a valid signature, and the root of the tree over the first events of the log."""
    for note in {*evidence.ledger.published, *evidence.signed}:
        try:
            found = SIGNER.key.open(note)
        except NoteRefused as refused:
            yield f"a checkpoint is not signed: {refused}"
            continue
        is_there = found.size <= len(evidence.leaves)
        yield holds(is_there, f"{found.size} events are signed, and the log has {len(evidence.leaves)}")
        if is_there:
            is_root = root(evidence.leaves[: found.size]) == found.root
            yield holds(is_root, f"the checkpoint of {found.size} events is of another history")


def what_is_published_stays_signed(evidence: Evidence) -> Verdicts:
    """Each checkpoint that a reader got is kept, and the next one that it gets is of more events."""
    size = 0
    for note in evidence.ledger.published:
        yield holds(note in evidence.signed, f"a checkpoint that was published is lost: {note.splitlines()[1:2]}")
        found = LogCheckpoint.of(note)
        yield holds(found.size > size, f"after a checkpoint of {size} events came one of {found.size}")
        size = found.size


CHECKS: list[tuple[int, Check]] = [
    (13, what_is_signed_is_the_log),
    (13, what_is_published_stays_signed),
]
