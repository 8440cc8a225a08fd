"""HTTP for users: the caller's account."""

from typing import Annotated, ClassVar

from fastapi import Query
from pydantic import Field
from starlette.responses import Response

from adapters.http.api.commands import Send
from adapters.http.api.lists import List
from adapters.http.api.openapi import CONDITIONAL, FRESH_UNLESS_KNOWN, KEYED, listing, operation
from adapters.http.api.queries import Read
from adapters.http.api.responses import Answer
from adapters.http.api.routers import Router
from adapters.http.api.schemas import Body, Email, HistoryQuery, NextStep, Password
from application.identity.email_change import RequestEmailChange
from application.identity.suspension import RequestDeletion
from application.identity.user import AcceptTerms, ChangePassword, ChangeProfile, UserView
from domain.access import ACCOUNT
from domain.identity.profile import AVATAR_URL_LENGTH, NAME_LENGTH
from domain.identity.terms import VERSION
from projections.history import HistoryEntry
from projections.identity.history import account_history
from projections.identity.user import user
from projections.page import Page

READ, CHANGE = ACCOUNT.action("read"), ACCOUNT.action("change")

CONFIRMED = (*KEYED, "Challenge-Solution")
"""Taken by what asks for the current password. A wrong one counts as a failure to log in."""

router = Router("/v1/users", tag="accounts")

UserName = Annotated[str, Field(min_length=1, max_length=NAME_LENGTH)]
AvatarUrl = Annotated[str, Field(max_length=AVATAR_URL_LENGTH, pattern="^https://[!-~]+$")]


class Profile(Body):
    """The part of an account that other users see."""

    name: UserName
    avatar_url: AvatarUrl | None = None


class PasswordChange(Body):
    """The current password, and the new one. A password has at least 15 characters."""

    MAX_BYTES: ClassVar[int] = 4_096
    current_password: Password
    new_password: Password


class CurrentPassword(Body):
    """The current password."""

    MAX_BYTES: ClassVar[int] = 4_096
    current_password: Password


class EmailChange(Body):
    """The address that the account is to have, and the current password."""

    MAX_BYTES: ClassVar[int] = 4_096
    new_email: Annotated[Email, Field(examples=["ada@example.com"])]
    current_password: Password


class Terms(Body):
    """A version of the terms of use."""

    version: Annotated[str, Field(max_length=19, pattern=f"^{VERSION}$", examples=["2026-11"])]


EMAIL_CHANGE = NextStep("Look into both mailboxes: the present address and the new one have a link to confirm each.")


@router.get(
    "/me",
    response_model=UserView,
    **operation("The account.", access=READ, takes=FRESH_UNLESS_KNOWN),
)
async def get_me(read: Read) -> Answer:
    """Get the caller's account."""
    return read.one(await read.query(user, read.history, read.actor.user_id))


@router.put(
    "/me",
    response_model=UserView,
    **operation("The changed account.", access=CHANGE, takes=CONDITIONAL),
)
async def change_me(body: Profile, send: Send) -> Answer:
    """Change the caller's name and picture."""
    return await send(ChangeProfile(name=body.name, avatar_url=body.avatar_url))


@router.delete(
    "/me",
    **operation("The account waits for its deletion.", access=CHANGE, takes=CONFIRMED, fails=[503], status=204),
)
async def delete_me(body: CurrentPassword, send: Send) -> Answer:
    """Delete the caller's account after 30 days. Until then it is hidden, with its documents and their shares.

    All sessions end. A login answers 409 `deletion_pending`; `POST /v1/auth/withdraw-deletion` keeps the account.
    """
    return await send(RequestDeletion(password=body.current_password))


@router.post(
    "/me/email",
    response_model=NextStep,
    **operation("Accepted.", access=CHANGE, takes=CONFIRMED, fails=[503], status=202),
)
async def change_email(body: EmailChange, send: Send) -> Answer:
    """Request another email address. Both addresses get a mail with a link; the address changes when both are used.

    The answer is the same whether the new address has an account or not: only a mail to it says so.
    """
    command = RequestEmailChange(email=body.new_email, password=body.current_password)
    return await send.accept(command, EMAIL_CHANGE)


@router.post(
    "/me/terms",
    response_model=UserView,
    **operation("The account.", access=CHANGE, takes=CONDITIONAL),
)
async def accept_terms(body: Terms, send: Send) -> Answer:
    """Accept a version of the terms. The same one again changes nothing."""
    return await send(AcceptTerms(version=body.version))


@router.get(
    "/me/history",
    response_model=Page[HistoryEntry],
    **listing("A page of what happened.", access=READ),
)
async def list_account_history(listed: Annotated[HistoryQuery, Query()], read: List) -> Response:
    """List what happened to the caller's account and who audited it. The latest comes first.

    Each item names who did it, and the request and session that caused it. A page with few items may have a next one.
    """
    return await read.listed(account_history, read.history, read.security_log, read.actor.user_id, **listed.options)


@router.post(
    "/change-password",
    **operation("The password is changed.", access=CHANGE, takes=CONFIRMED, status=204),
)
async def change_password(body: PasswordChange, send: Send) -> Answer:
    """Change the caller's password. A mail tells them. A wrong current password answers 403 `wrong_password`.

    With these failures the account's next attempt must wait, as after failures to log in: 429 `too_many_attempts`.
    """
    return await send(ChangePassword(old=body.current_password, new=body.new_password))
