"""The demo account of a local installation, and commands to try the service with."""

import asyncio
import secrets
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from infra.private_file import write_private
from infra.settings.model import Settings

if TYPE_CHECKING:
    from application.identity.account import VerifyEmail
    from application.ports import LinkTokens
    from domain.identity.user import User

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
        asyncio.run(_open(settings, DemoAccount(EMAIL, draft.read_text(), draft)))
        draft.replace(file)
    return DemoAccount(EMAIL, file.read_text(), file)


def walk(url: str, mails: Path) -> str:
    """Shell commands that register an account, verify its address by the link in the mail, log in and write a document.

    `mails`: the folder of the mails, which are files. Passwords and tokens go through pipes and files: other users of
    the machine see the arguments of commands.
    """
    return f"""\
API={url}/v1 MAILS={quote(str(mails))} ME=me-$(date +%s)@example.com PASSWORD=$(mktemp) AUTH=$(mktemp)
python3 -c 'import secrets; print(secrets.token_urlsafe(15), end="")' > $PASSWORD
printf '{{"email": "%s", "name": "Me", "password": "%s"}}' $ME "$(cat $PASSWORD)" \\
  | curl -s $API/auth/register -H 'Content-Type: application/json' -d @- -w '\\n'
until MAIL=$(grep -ls "^To: $ME" "$MAILS"/*.eml); do sleep 0.1; done
printf '{{"token": "%s"}}' "$(python3 -m quopri -d "$MAIL" | grep -om1 'token=[A-Za-z0-9_-]*' | cut -d= -f2)" \\
  | curl -s $API/auth/verify -H 'Content-Type: application/json' -d @-
printf '{{"email": "%s", "password": "%s"}}' $ME "$(cat $PASSWORD)" \\
  | curl -s $API/auth/login -H 'Content-Type: application/json' -d @- \\
  | python3 -c 'import json, sys; print("Authorization: Bearer", json.load(sys.stdin)["access_token"])' > $AUTH
WRITTEN=$(curl -s $API/documents -H @$AUTH -H 'Content-Type: application/json' \\
  -H "Idempotency-Key: $(date +%s%N)" -d '{{"title": "Hello", "content": "A first draft."}}' \\
  -o /dev/stderr -w '%header{{consistency-token}}')
curl -s $API/documents -H @$AUTH -H "Consistency-Token: $WRITTEN" """.rstrip()


async def _open(settings: Settings, demo: DemoAccount) -> None:
    """Open and verify the account. An existing one is verified, too: an earlier start may have been interrupted.

    The imports are here because only the first start needs them: later starts are quicker without.
    """
    from uuid_utils.compat import uuid7

    from adapters.passwords import Argon2Passwords
    from application.identity.account import OpenAccount
    from application.ports import CommandContext
    from domain.identity.claims import email_claim
    from domain.identity.user import User
    from infra.bootstrap.links import open_link_tokens
    from infra.bootstrap.write_side import open_write_side

    async with open_write_side(settings, "api") as core:
        links, context = open_link_tokens(core.keys), CommandContext(actor=None, correlation_id=uuid7())
        # No person proves anything here, so the security log stays out of it, and off the terminal.
        bus = core.bus({"links": links, "security_log": None})
        if await core.store.claimed_by(email_claim(demo.email)) is None:
            hashed = await Argon2Passwords().hash(demo.password)
            await bus.send(OpenAccount(id=uuid7(), email=demo.email, name="Demo", password_hash=hashed), context)
        holder = await core.store.claimed_by(email_claim(demo.email))
        assert holder is not None  # only an erasure releases the claim on an address
        user = await core.store.load(User, holder)
        assert user is not None
        if "verify" in user.links:
            await bus.send(_verification(user, links), context)


def _verification(user: "User", links: "LinkTokens") -> "VerifyEmail":
    """Return the command that uses the link which no mail is sent for."""
    from application.identity.account import VerifyEmail

    link = user.links["verify"]
    made = links.again("verify", user.id, link["id"], link["digest"])
    assert made is not None
    return VerifyEmail(token=made.token)
