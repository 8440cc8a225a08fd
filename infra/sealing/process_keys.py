"""The keys of a process: taken from their source at its start, and again when the source has changed.

A changed key document first adds keys to read with (`learn`; at once when something is found under an unknown key). It
is used for writing (`use`) only after its check values were compared with the database.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import structlog

from infra.sealing.blind_index import BlindIndex
from infra.sealing.check_values import RETIRED, RecordedKey
from infra.sealing.job_seals import JobSeals
from infra.sealing.key_encryption import KeyEncryptionKeys
from infra.sealing.key_ring import KeyKind, KeyRing
from infra.sealing.key_source import KeySource
from infra.sealing.store_keys import StoreKeys
from infra.settings.errors import SettingsError

log = structlog.get_logger(__name__)


class ProcessKeys:
    """Key-encryption keys, store keys, seals of jobs and blind index of this process, kept up to date.

    `ring`: the document in use.

    Raises:
        SettingsError: the key document is missing or wrong.
    """

    def __init__(self, source: KeySource) -> None:
        self._source = source
        self.ring = self._read = source.read()
        self.wrapping = KeyEncryptionKeys(*wrapping_of(self.ring))
        self.stamps = StoreKeys(*stamping_of(self.ring))
        self.jobs = JobSeals(*wrapping_of(self.ring))
        self.blind = BlindIndex(self.ring.current(KeyKind.BLIND_INDEX).secret)
        self._followers: list[Callable[[KeyRing], None]] = []
        self.wrapping.on_unknown = self.stamps.on_unknown = self.jobs.on_unknown = self.learn

    def learn(self) -> KeyRing:
        """Read the source if it has changed, and add its keys to read with. Returns the last document read.

        A document that cannot be read is logged; the keys in memory stay.
        """
        if self._source.has_changed():
            try:
                self._read = self._source.read()
            except SettingsError as error:
                log.error("the key document cannot be read; the keys in memory stay", reason=str(error))
            else:
                secrets = {key.id: key.secret for key in self._read.of(KeyKind.KEY_ENCRYPTION)}
                self.wrapping.learn(secrets)
                self.jobs.learn(secrets)
                self.stamps.learn([key.secret for key in self._read.of(KeyKind.STORE)])
        return self._read

    def use(self, ring: KeyRing, rows: Iterable[RecordedKey]) -> None:
        """Take a document into use whose keys fit the database (`check_values.require`), with these rows of `keys`."""
        rows = list(rows)
        retired = {row.id for row in rows if row.kind == KeyKind.KEY_ENCRYPTION and row.state == RETIRED}
        self.wrapping.use(*wrapping_of(ring, retired))
        self.jobs.use(*wrapping_of(ring, retired))
        self.stamps.use(*stamping_of(ring, rows))
        self.ring = ring
        for take in self._followers:
            take(ring)

    def follow(self, take: Callable[[KeyRing], None]) -> None:
        """Call `take` with each document that comes into use from now on."""
        self._followers.append(take)


class Wrapping(NamedTuple):
    """The arguments of `KeyEncryptionKeys` and `JobSeals`."""

    current: str
    keys: dict[str, bytes]


class Stamping(NamedTuple):
    """The arguments of `StoreKeys`."""

    current: bytes
    earlier: list[bytes]
    retired: dict[bytes, int]


def wrapping_of(ring: KeyRing, retired: Iterable[str] = ()) -> Wrapping:
    """The id of the current key-encryption key, and all of them but the retired ones."""
    keys = {key.id: key.secret for key in ring.of(KeyKind.KEY_ENCRYPTION) if key.id not in set(retired)}
    return Wrapping(ring.current(KeyKind.KEY_ENCRYPTION).id, keys)


def stamping_of(ring: KeyRing, rows: Iterable[RecordedKey] = ()) -> Stamping:
    """The store keys, and the limits of the earlier ones, from the document or else from rows of `keys`.

    Keys that are not current only check stamps. The next one does, too: another process may use it already.
    """
    current = ring.current(KeyKind.STORE)
    limits = {row.id: row.position for row in rows if row.state == RETIRED and row.position is not None}
    limits |= {key.id: key.until for key in ring.earlier(KeyKind.STORE) if key.until is not None}
    return Stamping(
        current.secret,
        [key.secret for key in ring.of(KeyKind.STORE) if key.id != current.id],
        {bytes.fromhex(id): position for id, position in limits.items()},
    )
