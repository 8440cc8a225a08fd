"""The key file of an installation: made once, kept beside its data, never replaced while the data exists."""

from contextlib import suppress

from infra.sealing.key_ring import KeyRing
from infra.sealing.key_source import KeySource
from infra.settings.errors import SettingsError
from infra.settings.keys import KeySettings


def ensure(settings: KeySettings, *, data_exists: bool) -> None:
    """Make the key file if there is none and the keys come from nowhere else. A file without a log key gets one.

    A file that cannot be changed, such as a mounted secret, stays without: only the sealer needs that key.

    Raises:
        SettingsError: the key document is wrong, no file can be made, or the keys of existing data are lost: new ones
            could not open it.
    """
    source = KeySource(settings)
    if source.is_file and not settings.file.exists():
        if data_exists:
            raise SettingsError(
                f"The keys of the data cannot be found. Restore {settings.file}, "
                "or start with another folder: make run DATA_DIR=..."
            )
        try:
            source.write(KeyRing.new())
        except OSError as error:
            raise SettingsError(f"The key file {settings.file} cannot be written ({error.strerror}).") from None
    ring = source.read()
    completed = ring.completed()
    if source.is_file and completed != ring:
        with suppress(OSError):
            source.write(completed)
