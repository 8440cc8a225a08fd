"""What a tree must continue: the checkpoint that was signed last, by this log and with its key."""

from collections.abc import Mapping

from infra.audit import tables
from infra.audit.notes import LogCheckpoint, NoteRefused, VerifierKey
from infra.audit.proving import consistency_from
from infra.audit.tiles import TileId, tiles_for
from infra.audit.tree import ProofRefused, consistency_ranges, require_consistency
from infra.postgres.connect import Connection
from infra.settings.audit import AuditSettings
from infra.settings.errors import SettingsError


class HistoryRefused(Exception):
    """The log or its tree is not what was sealed: a checkpoint would sign a second history. The message says where."""


def opened(key: VerifierKey, row: tables.SignedCheckpoint) -> LogCheckpoint:
    """Return a stored checkpoint, which the log must have signed.

    Raises:
        SettingsError: its key has signed it under another name.
        HistoryRefused: it is not one of this log and its key.
    """
    require_name(key, row.note)
    try:
        found = key.open(row.note)
    except NoteRefused as error:
        raise HistoryRefused(
            f"the checkpoint of size {row.size} is not one of this log and its key: {error}. "
            "If nothing was changed, this is not the key document of the log: use that of the sealer that began it"
        ) from None
    if found.size != row.size:
        raise HistoryRefused(f"the checkpoint of size {found.size} is stored as one of size {row.size}")
    return found


def require_name(key: VerifierKey, note: str) -> None:
    """Check that the key has not signed a checkpoint under another name than its own. Other faults are passed over.

    Raises:
        SettingsError: it has. So the setting is wrong, and not the history: nothing but the key can sign.
    """
    name = key.name_in(note)
    if name not in (None, key.name):
        variable = AuditSettings.variable("origin")
        raise SettingsError(f"The log is named {name}, and not {key.name}. Set {variable}={name}")


def require_continues(connection: Connection, earlier: LogCheckpoint, signed: LogCheckpoint | None) -> None:
    """Check that a tree continues an earlier one. `signed`: its checkpoint; None if nothing is sealed.

    Raises:
        HistoryRefused: it does not.
    """
    if signed is None or signed.size < earlier.size:
        raise HistoryRefused(f"the checkpoint of size {earlier.size} was signed, and is not in the database any more")
    wanted = tiles_for(consistency_ranges(earlier.size, signed.size))
    require_extends(earlier, signed, tables.tiles(connection, wanted))


def require_extends(old: LogCheckpoint, new: LogCheckpoint, tiles: Mapping[TileId, bytes]) -> None:
    """Check with the tiles of the new tree that it continues the old one.

    Raises:
        HistoryRefused: it does not.
    """
    try:
        proof = consistency_from(tiles, old.size, new.size)
        require_consistency(old.size, old.root, new.size, new.root, proof)
    except ProofRefused as error:
        raise HistoryRefused(
            f"the tree of size {new.size} does not continue the checkpoint of size {old.size} ({error})"
        ) from None
