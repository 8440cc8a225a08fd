"""HTTP for links in mails about an account: their token says who asks."""

from typing import ClassVar

from adapters.http.api.commands import Send
from adapters.http.api.openapi import KEYED, operation
from adapters.http.api.responses import Answer
from adapters.http.api.routers import Router
from adapters.http.api.schemas import Body, LinkText
from application.identity.email_change import ConfirmEmailChange, UndoEmailChange
from application.identity.suspension import LockDown

router = Router("/v1/auth", tag="accounts")


class AccountToken(Body):
    """The token of a link in a mail about an account."""

    MAX_BYTES: ClassVar[int] = 4_096
    token: LinkText


@router.post("/confirm-email", **operation("Confirmed.", takes=KEYED, fails=[403], status=204))
async def confirm_email_change(body: AccountToken, send: Send) -> Answer:
    """Confirm a change of address, with the token of the link to the new or to the old address. The
    address changes when both have confirmed it; then all sessions end.

    A link is valid for 24 hours and works once.
    """
    return await send(ConfirmEmailChange(token=body.token))


@router.post("/undo-email-change", **operation("The former address is back.", takes=KEYED, fails=[403], status=204))
async def undo_email_change(body: AccountToken, send: Send) -> Answer:
    """Undo a change of address, with the token of the link to the former address, which is valid for 7 days. All
    sessions end, and the password must be set again: a mail to the former address has a link for that.
    """
    return await send(UndoEmailChange(token=body.token))


@router.post("/lockdown", **operation("The account is locked.", takes=KEYED, fails=[403], status=204))
async def lock_down(body: AccountToken, send: Send) -> Answer:
    """Lock the account after a misuse, with the token of a "this was not me" link. All sessions end, and the
    password must be set again: a mail has a link for that.

    A requested change of address or
    deletion of the account is stopped.
    """
    return await send(LockDown(token=body.token))
