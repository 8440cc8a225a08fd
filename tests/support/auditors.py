"""An auditor, for commands that record who reads."""

import asyncio
from uuid import UUID

from domain.identity.auditing import appoint_auditor
from domain.identity.user import User
from tests.support.given import NOW
from tests.support.servers import Database
from tests.support.stores import CALL, open_store

OLGA = "olga@example.org"
OLGA_ID = UUID(int=0x01DA)


def appoint(database: Database) -> None:
    """Open the account of Olga, with a verified address, and make her an auditor."""
    olga = User.register(id=OLGA_ID, email=OLGA, name="Olga", password_hash="-", now=NOW)
    olga.trigger_event(User.EmailVerified, now=NOW)
    appoint_auditor(olga, reason="Reviews the year.", now=NOW)

    async def appended() -> None:
        async with open_store(database.app_url) as opened:
            await opened.store.append([olga], CALL, None)

    asyncio.run(appended())
