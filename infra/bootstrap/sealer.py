"""The sealer role: signs the log as a tree, with which others can check the history."""

import asyncio
import os
from collections.abc import Sequence

import uvloop

from infra.audit import lag
from infra.audit.cosignatures import WitnessKey
from infra.audit.cosigning import Cosigning
from infra.audit.known_checkpoint import FILE_NAME, KnownCheckpoint
from infra.audit.notes import CheckpointSigner, NoteRefused, VerifierKey
from infra.audit.sealer import Sealer
from infra.audit.witnessing import Witness, open_client
from infra.bootstrap.keys import KeyGuard
from infra.bootstrap.lifetime import collect_rarely, first_known, in_thread, retry_until_available, until_stopped
from infra.bootstrap.write_side import part_url, process_keys
from infra.postgres.connect import create_pool
from infra.postgres.database import Database
from infra.sealing.key_ring import KeyKind, KeyRing
from infra.sealing.process_keys import ProcessKeys
from infra.settings.audit import AuditSettings
from infra.settings.errors import SettingsError
from infra.settings.model import Settings

POOL_SIZE = 2
NICENESS = 10
"""The sealer yields to what people wait for: it runs when other processes leave time."""


def run(settings: Settings) -> None:
    """Seal the log until SIGINT or SIGTERM.

    Raises:
        SettingsError: the key document is wrong, or has no log key; or the log, or the kept checkpoint, is another; or
            the key of a witness is none.
        WrongKey: a key is not the one that the database was written with.
    """
    keys = process_keys(settings)
    signer = signer_of(settings.audit, keys.ring)
    known = known_checkpoint(settings, signer.key)
    witnesses = witnesses_of(settings.audit)
    os.nice(NICENESS)
    uvloop.run(until_stopped(_seal(settings, keys, signer, known, witnesses)))


def known_checkpoint(settings: Settings, key: VerifierKey) -> KnownCheckpoint:
    """Return the last checkpoint that a sealer with this data folder has known.

    Raises:
        SettingsError: its file cannot be read, or has no checkpoint of this log.
    """
    return KnownCheckpoint(settings.installation.data_dir / FILE_NAME, key)


def signer_of(settings: AuditSettings, ring: KeyRing) -> CheckpointSigner:
    """Return the signer of the log.

    Raises:
        SettingsError: the key document has no log key.
    """
    if not ring.of(KeyKind.LOG):
        raise SettingsError("The key document has no log key. Add the one that `palimpsest new-keys` prints.")
    return CheckpointSigner(settings.origin, ring.current(KeyKind.LOG).secret)


def witnesses_of(settings: AuditSettings) -> list[Witness]:
    """Return the witnesses of the log.

    Raises:
        SettingsError: a key is not one of a witness.
    """
    try:
        return [Witness(WitnessKey.parse(key), url) for key, url in settings.witness_addresses]
    except NoteRefused as error:
        raise SettingsError(f"{AuditSettings.variable('witnesses')} has a wrong key: {error}.") from None


async def _seal(
    settings: Settings,
    keys: ProcessKeys,
    signer: CheckpointSigner,
    known: KnownCheckpoint,
    witnesses: Sequence[Witness],
) -> None:
    sealer = Sealer(part_url(settings, "sealer"), signer, known)
    client = open_client(settings.audit.witness_cafile)
    pool = create_pool(part_url(settings, "sealer"), POOL_SIZE)
    await pool.open(wait=False)
    try:
        database = Database(pool)
        guard = KeyGuard(keys, database)
        await retry_until_available(guard.require)
        collect_rarely()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(in_thread(sealer.run, sealer.stop))
            tasks.create_task(lag.watch(database))
            tasks.create_task(guard.watch())
            tasks.create_task(Cosigning(database, signer.key, witnesses, client, sealer.leads).run())
    except ExceptionGroup as group:
        raise first_known(group) from None
    finally:
        await client.aclose()
        await pool.close()
