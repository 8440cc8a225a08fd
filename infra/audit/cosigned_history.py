"""Verifies that what witnesses have cosigned is the history that is sealed.

A cosignature of a checkpoint that is not there, or is another now, shows that the history was signed twice or set back;
or that the cosignature was changed.
"""

from infra.audit import cosigned_rows
from infra.audit.cosignatures import WitnessKey
from infra.audit.differences import WrongPosition
from infra.audit.notes import NoteRefused
from infra.postgres.connect import Connection


def verify_cosignatures(connection: Connection) -> int:
    """Check every stored cosignature against the checkpoint of its size. Returns how many there are.

    Raises:
        WrongPosition: one does not fit. The events after the last one that fits may be others.
    """
    agreed, number = 0, 0
    with connection.cursor("cosignatures") as cursor:
        for size, witness, line, note in cursor.execute(cosigned_rows.ALL.encode()):
            _require_checkpoint(agreed, size, witness, note)
            _require_cosignature(agreed, size, witness, f"{note}{line}")
            agreed, number = size, number + 1
    return number


def _require_checkpoint(agreed: int, size: int, witness: str, note: str | None) -> None:
    """Check that the checkpoint of a cosignature is there. `agreed`: the size of the last one that fits."""
    if note is None:
        reason = f"{_name(witness)} has cosigned {size} events, and there is no such checkpoint"
        raise WrongPosition(agreed + 1, reason)


def _require_cosignature(agreed: int, size: int, witness: str, note: str) -> None:
    """Check that a witness has cosigned a checkpoint, whose note ends with its line."""
    try:
        WitnessKey.parse(witness).cosigned_at(note)
    except NoteRefused as error:
        reason = f"the cosignature of {_name(witness)} does not fit the checkpoint of {size} events: {error}"
        raise WrongPosition(agreed + 1, reason) from None


def _name(witness: str) -> str:
    return witness.partition("+")[0]
