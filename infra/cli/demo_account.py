"""An account to try things with, on a laptop's own installation."""

import asyncio
import secrets
from contextlib import suppress
from dataclasses import dataclass

from infra.local.servers.process import write_private
from infra.settings.model import Settings

EMAIL = "demo@example.com"
FILE = "demo-password"


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """What to log in with."""

    email: str
    password: str


def ensure(settings: Settings) -> DemoAccount:
    """The demo account. Where the data folder has no password of one, it is made, whatever became of an earlier try."""
    file = settings.data_dir / FILE
    draft = file.with_name(f"{FILE}.new")
    if not file.exists():
        if not draft.exists():
            write_private(draft, secrets.token_urlsafe(15))
        asyncio.run(_register(settings, DemoAccount(EMAIL, draft.read_text())))
        draft.replace(file)
    return DemoAccount(EMAIL, file.read_text())


async def _register(settings: Settings, demo: DemoAccount) -> None:
    """Register and verify. An account that is there is verified, too: an earlier try may not have come to that.

    Imports here what only the first start needs, so that later ones are quick.
    """
    from uuid_utils.compat import uuid7

    from adapters.passwords import Argon2Passwords
    from application.identity.user import Register, VerifyEmail
    from application.ports import Actor, ClaimTaken, CommandContext
    from domain.identity.user import UserIsDeactivated, email_claim
    from infra.bootstrap.write_side import open_write_side

    async with open_write_side(settings) as core:
        bus = core.bus({"passwords": Argon2Passwords()})
        with suppress(ClaimTaken):
            register = Register(email=demo.email, name="DemoAccount", password=demo.password)
            await bus.send(register, CommandContext(actor=None, correlation_id=uuid7()))
        holder = await core.store.claimed_by(email_claim(demo.email))
        assert holder is not None  # nothing releases the claim on an address
        with suppress(UserIsDeactivated):
            await bus.send(VerifyEmail(user_id=holder), CommandContext(actor=Actor(holder), correlation_id=uuid7()))
