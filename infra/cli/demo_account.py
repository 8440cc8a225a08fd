"""The demo account of a local installation, and commands to try it with."""

import asyncio
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from infra.private_file import write_private
from infra.settings.model import Settings

EMAIL = "demo@example.com"
FILE = "demo-password"


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """Credentials of the demo account, and the file that holds the password."""

    email: str
    password: str
    file: Path


def ensure(settings: Settings) -> DemoAccount:
    """The demo account. It is created if the data folder has no password for it, also after an interrupted start."""
    file = settings.installation.data_dir / FILE
    draft = file.with_name(f"{FILE}.new")
    if not file.exists():
        if not draft.exists():
            write_private(draft, secrets.token_urlsafe(15))
        asyncio.run(_register(settings, DemoAccount(EMAIL, draft.read_text(), draft)))
        draft.replace(file)
    return DemoAccount(EMAIL, file.read_text(), file)


def walk(url: str, login: DemoAccount) -> str:
    """Shell commands that log in, create a document, and list documents, including the new one.

    Password and token go through pipes and files: other users of the machine see the arguments of commands.
    """
    return f"""\
API={url}/v1 AUTH=$(mktemp)
printf '{{"email": "{login.email}", "password": "%s"}}' "$(cat {quote(str(login.file))})" \\
  | curl -s $API/auth/login -H 'Content-Type: application/json' -d @- \\
  | python3 -c 'import json, sys; print("Authorization: Bearer", json.load(sys.stdin)["access_token"])' > $AUTH
WRITTEN=$(curl -s $API/documents -H @$AUTH -H 'Content-Type: application/json' \\
  -H "Idempotency-Key: $(date +%s%N)" -d '{{"title": "Hello", "content": "A first draft."}}' \\
  -o /dev/stderr -w '%header{{consistency-token}}')
curl -s $API/documents -H @$AUTH -H "Consistency-Token: $WRITTEN" """.rstrip()


async def _register(settings: Settings, demo: DemoAccount) -> None:
    """Register and verify the account. An existing one is verified, too: an earlier start may have been interrupted.

    The imports are here because only the first start needs them: later starts are quicker without.
    """
    from uuid_utils.compat import uuid7

    from adapters.passwords import Argon2Passwords
    from application.identity.user import Register, VerifyEmail
    from application.ports import Actor, ClaimTaken, CommandContext
    from domain.identity.user import UserIsDeactivated, email_claim
    from infra.bootstrap.write_side import open_write_side

    async with open_write_side(settings, "api") as core:
        bus = core.bus({"passwords": Argon2Passwords()})
        with suppress(ClaimTaken):
            register = Register(email=demo.email, name="Demo", password=demo.password)
            await bus.send(register, CommandContext(actor=None, correlation_id=uuid7()))
        holder = await core.store.claimed_by(email_claim(demo.email))
        assert holder is not None  # no command releases the claim on an address
        with suppress(UserIsDeactivated):
            await bus.send(VerifyEmail(user_id=holder), CommandContext(actor=Actor(holder), correlation_id=uuid7()))
