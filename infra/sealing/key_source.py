"""Sources of the key document: a file that only its owner may read, an environment variable, or a command."""

import os
import shlex
import subprocess
from time import monotonic

from infra.private_file import write_private
from infra.sealing.key_ring import KeyRing
from infra.settings.errors import SettingsError
from infra.settings.keys import KeySettings

COMMAND_TIMEOUT_SECONDS = 10.0
MIN_COMMAND_INTERVAL_SECONDS = 30.0
"""The shortest time between two runs of the command while the process runs."""

FileVersion = tuple[int, int, int]
"""Device and inode of a file, and the time of its last change: a file that was replaced has another one."""


class KeySource:
    """Reads the key document. The variable wins over the command, and the command over the file."""

    def __init__(self, settings: KeySettings) -> None:
        self._settings = settings
        self._file_version: FileVersion | None = None
        self._run_at = 0.0

    @property
    def place(self) -> str:
        """The source, for messages."""
        return str(self._settings.file) if self.is_file else self._variable

    @property
    def is_file(self) -> bool:
        """Whether the document is in a file, which `write` can replace."""
        return self._settings.document is None and self._settings.command is None

    def read(self) -> KeyRing:
        """Read the document.

        Raises:
            SettingsError: there is none, it is wrong, others can read its file, or its command fails.
        """
        if self._settings.document is not None:
            document = self._settings.document.get_secret_value()
        elif self._settings.command is not None:
            document = self._output(self._settings.command.get_secret_value())
        else:
            document = self._content()
        return KeyRing.parse(document, self.place)

    def has_changed(self) -> bool:
        """Whether the document may be another one since it was read."""
        if self._settings.document is not None:
            return False
        if self._settings.command is not None:
            return monotonic() - self._run_at >= MIN_COMMAND_INTERVAL_SECONDS
        try:
            return _version(os.stat(self._settings.file)) != self._file_version
        except OSError:
            return False

    def write(self, ring: KeyRing) -> None:
        """Replace the file."""
        write_private(self._settings.file, ring.document())

    @property
    def _variable(self) -> str:
        return KeySettings.variable("document" if self._settings.document is not None else "command")

    def _content(self) -> str:
        file = self._settings.file
        try:
            with file.open() as opened:
                status = os.fstat(opened.fileno())
                if status.st_mode & 0o077:
                    raise SettingsError(f"Other users can read the keys in {file}. Run: chmod 600 {file}")
                self._file_version = _version(status)
                return opened.read()
        except FileNotFoundError:
            raise SettingsError(
                f"The key file {file} does not exist. Restore it, start with `palimpsest up`, which makes it, or set "
                f"{KeySettings.variable('file')}, {KeySettings.variable('document')} or "
                f"{KeySettings.variable('command')}."
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"The key file {file} cannot be read ({type(error).__name__}).") from None

    def _output(self, command: str) -> str:
        """The output of the command, which runs without a shell. Its messages are not shown: they may hold secrets."""
        self._run_at = monotonic()
        try:
            done = subprocess.run(
                shlex.split(command),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=COMMAND_TIMEOUT_SECONDS,
                check=True,
            )
            return done.stdout.decode()
        except subprocess.CalledProcessError as error:
            raise SettingsError(f"{self.place}: the command failed with exit code {error.returncode}.") from None
        except (OSError, ValueError, IndexError, subprocess.TimeoutExpired) as error:
            raise SettingsError(f"{self.place}: the command failed ({type(error).__name__}).") from None


def _version(status: os.stat_result) -> FileVersion:
    return status.st_dev, status.st_ino, status.st_mtime_ns
