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
            name = witness.partition("+")[0]
            if note is None:
                raise WrongPosition(agreed + 1, f"{name} has cosigned {size} events, and there is no such checkpoint")
            try:
                WitnessKey.parse(witness).cosigned_at(f"{note}{line}")
            except NoteRefused as error:
                reason = f"the cosignature of {name} does not fit the checkpoint of {size} events: {error}"
                raise WrongPosition(agreed + 1, reason) from None
            agreed, number = size, number + 1
    return number
