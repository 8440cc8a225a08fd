"""Erasures that a restored backup has brought back: found by `doctor`, repeated by `erase replay` and by `up`."""

import asyncio
from collections.abc import Coroutine

from application.ports import Busy, OutcomeUnknown, Unavailable, Unreadable
from infra.bootstrap.erasure_list import KEPT, kept_parameters, listed, repeat, repeat_missing, undone
from infra.bootstrap.files import open_files
from infra.bootstrap.write_side import open_for_command
from infra.cli.finding import Finding
from infra.errors import SetupError
from infra.postgres.connect import Connection
from infra.settings.load import load_for_migration
from infra.settings.model import Settings

ADVICE = "Stop the API and the worker, then run: palimpsest erase replay"


def repeat_erasures(settings: Settings) -> int:
    """Carry out again what a restored backup has brought back; return how many streams there were.

    Raises:
        SetupError: something could not be erased.
    """
    owner_url = load_for_migration(settings.installation.data_dir).owner.url.get_secret_value()
    return _run(_repeat(settings, owner_url))


def repeat_before_restore(settings: Settings) -> int:
    """Carry out by events what is on the list and has no data key, before data keys are restored; return how many.

    Raises:
        SetupError: the list cannot be read, or something could not be erased.
    """
    return _run(_repeat_missing(settings))


def examine_erasures(connection: Connection, settings: Settings) -> Finding:
    """What was erased must not be in the database, not even after a restore."""
    try:
        found = asyncio.run(listed(open_files(settings.files, settings.installation)))
    except Unavailable as error:
        return Finding("Erasures", f"{error}", "Correct PALIMPSEST_FILES_URL, or start the store of files.")
    number = len(connection.execute(KEPT, kept_parameters(found)).fetchall())
    if number:
        return Finding("Erasures", f"{number} of those on the list are undone: a backup was restored", ADVICE)
    return Finding("Erasures", f"all that are on the list are done: {len(found)}")


def _run(work: Coroutine[None, None, int]) -> int:
    """Run a coroutine; what it cannot do is a `SetupError`."""
    try:
        return asyncio.run(work)
    except Unreadable:
        raise SetupError(
            "Not one event of something that was erased can be read. Restore it from a backup, then run this again."
        ) from None
    except (Busy, OutcomeUnknown):
        raise SetupError("Others change the same things at this moment. Run this again.") from None
    except Unavailable as error:
        raise SetupError(f"{error}. `palimpsest doctor` says more.") from None


async def _repeat_missing(settings: Settings) -> int:
    async with open_for_command(settings, "api") as core:
        return await repeat_missing(core, open_files(settings.files, settings.installation))


async def _repeat(settings: Settings, owner_url: str) -> int:
    files = open_files(settings.files, settings.installation)
    async with open_for_command(settings, "api") as core:
        found = await undone(files, core.database)
        await repeat(core, found, owner_url)
        left = await undone(files, core.database)
    if left:
        raise SetupError(
            f"{len(left)} erasures could not be repeated, the first of {left[0].stream_kind} {left[0].stream_id}."
        )
    return len(found)
