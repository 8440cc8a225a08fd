"""The last checkpoint that a sealer knows: what the database holds must continue it.

A database that was set back, log and tree, fits itself: no key is needed for that. Only what is kept elsewhere shows
it. So each sealer remembers the last checkpoint, the leader and those that stand by, and a file in the data folder
keeps it over restarts. It is written after the commit: a crash between them leaves an earlier checkpoint, which the
tree continues, too.
"""

from pathlib import Path

import structlog

from infra.audit import tables
from infra.audit.continuity import HistoryRefused, opened, require_continues, require_name
from infra.audit.notes import LogCheckpoint, NoteRefused, VerifierKey
from infra.postgres.connect import Connection
from infra.private_file import write_private
from infra.settings.errors import SettingsError

FILE_NAME = "log-checkpoint"
"""In the data folder."""

log = structlog.get_logger(__name__)


class KnownCheckpoint:
    """A checkpoint in memory and in a file. `file`: need not exist.

    Raises:
        SettingsError: the file cannot be read, or has no checkpoint of this log.
    """

    def __init__(self, file: Path, key: VerifierKey) -> None:
        self._file = file
        self._key = key
        self._is_written = True
        self._note = _read(file)
        self._checkpoint = self._opened() if self._note else None

    def require_continued(self, connection: Connection, signed: LogCheckpoint | None) -> None:
        """Check that a tree continues it. `signed`: the checkpoint of that tree; None if nothing is sealed.

        Raises:
            HistoryRefused: it does not.
        """
        if self._checkpoint is None:
            return
        try:
            require_continues(connection, self._checkpoint, signed)
        except HistoryRefused as error:
            raise HistoryRefused(
                f"{error}. {self._file} keeps that checkpoint. Restore the log; or if it was set back on purpose, "
                "move that file to a safe place, start the sealer again, and inform the auditors of the log"
            ) from None

    def follow(self, connection: Connection) -> None:
        """Take up the last checkpoint in the database.

        Raises:
            HistoryRefused: it does not continue the known one.
            SettingsError: the log has another name.
        """
        last = tables.last_checkpoint(connection)
        if last is None:
            self.require_continued(connection, None)
        elif last.note != self._note:
            self.require_continued(connection, opened(self._key, last))
            self.keep(last.note)

    def keep(self, note: str) -> None:
        """Remember a signed note, and write it to the file. A file that cannot be written stops nothing."""
        if note == self._note:
            return
        self._note = note
        self._checkpoint = self._opened()
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_private(self._file, note)
        except OSError as error:
            if self._is_written:
                log.error("the last checkpoint is not kept over a restart", file=str(self._file), error=error.strerror)
            self._is_written = False
        else:
            self._is_written = True

    def _opened(self) -> LogCheckpoint:
        require_name(self._key, self._note)
        try:
            return self._key.open(self._note)
        except NoteRefused as error:
            raise SettingsError(
                f"{self._file} is not a checkpoint of this log: {error}. If the log is a new one, move that file away."
            ) from None


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"The kept checkpoint {file} cannot be read ({type(error).__name__}).") from None
