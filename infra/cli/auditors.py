"""The appointment and dismissal of auditors, for `palimpsest audit`."""

import asyncio

from uuid_utils.compat import uuid7

from application.commands import Command
from application.ports import Busy, CommandContext, NotSettled, OutcomeUnknown, Unavailable, Unreadable
from domain.kernel import Refusal
from infra.bootstrap.settled_bus import open_settled_bus
from infra.bootstrap.write_side import open_for_command
from infra.errors import SetupError
from infra.postgres.read_store import PooledReadStore
from infra.settings.load import load


def change_auditor(command: Command[None]) -> None:
    """Send the command; when this returns, no process takes a token that the command has ended.

    Raises:
        SetupError: it was refused, or it is not known to have taken effect everywhere.
    """

    async def run() -> None:
        async with (
            open_for_command(load(part="api"), "api") as core,
            open_settled_bus(core, PooledReadStore(core.database), {}) as settled,
        ):
            await settled.bus.send(command, CommandContext(actor=None, correlation_id=uuid7()))

    try:
        asyncio.run(run())
    except (Busy, OutcomeUnknown, NotSettled):
        raise SetupError("It is not sure that this has taken effect everywhere. Run the same command again.") from None
    except Unreadable:
        raise SetupError("The account cannot be read. Restore it from a backup, then run this again.") from None
    except Unavailable as error:
        raise SetupError(f"{error}. `palimpsest doctor` says more.") from None
    except Refusal as refusal:
        raise SetupError(refusal.detail) from None
