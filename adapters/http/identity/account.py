"""HTTP for people who are not logged in: registration, and links that come by mail.

The answers to registering and to requesting links are the same for all addresses: only a mail says what came of it.
Tokens of links travel in bodies, never in paths or queries.
"""

from typing import Annotated, ClassVar

from pydantic import Field

from adapters.http.api.commands import Send
from adapters.http.api.openapi import KEYED, operation
from adapters.http.api.responses import Answer
from adapters.http.api.routers import Router, Tag
from adapters.http.api.schemas import Body, LinkText, NextStep, OwnEmail, Password
from application.identity.account import ResetPassword, VerifyEmail
from application.identity.account_requests import Register, RequestPasswordReset, RequestVerification
from domain.identity.profile import NAME_LENGTH
from domain.identity.terms import VERSION

router = Router("/v1/auth", tag=Tag("accounts", "Registration, login, and the caller's account."))

TermsVersion = Annotated[str, Field(max_length=19, pattern=f"^{VERSION}$", examples=["2026-11"])]


class NewUser(Body):
    """A new account. A password has at least 15 characters; several uncommon words make a good one."""

    email: OwnEmail
    name: Annotated[str, Field(min_length=1, max_length=NAME_LENGTH)]
    password: Password
    terms_version: Annotated[TermsVersion | None, Field(description="The terms of use that the user accepts.")] = None


class AccountAddress(Body):
    """The email address of an account."""

    MAX_BYTES: ClassVar[int] = 4_096
    email: OwnEmail


class VerificationToken(Body):
    """The token of a link to verify an address."""

    MAX_BYTES: ClassVar[int] = 4_096
    token: LinkText


class PasswordReset(Body):
    """The token of a link to set a new password, and that password. It has at least 15 characters."""

    MAX_BYTES: ClassVar[int] = 4_096
    token: LinkText
    password: Password


REGISTERED = NextStep("Look into your mail: it has a link to verify the address, or says that you have an account.")
VERIFICATION = NextStep("If the address has an account that is not verified, a mail with a new link is on its way.")
RESET = NextStep("If the address has an account, a mail with a link is on its way; the link is valid for an hour.")


@router.post(
    "/register",
    response_model=NextStep,
    **operation("Accepted.", takes=KEYED, status=202, limits=["registration", "registration-range"]),
)
async def register(body: NewUser, send: Send) -> Answer:
    """Request an account. A mail has the link that verifies the address; then the user can log in.

    The answer is the same whether the address has an account or not: the owner of an address with an account gets
    another mail. An account that is not verified within 7 days, or a day after its last link, is deleted.
    """
    return await send.accept(Register(**body.model_dump()), REGISTERED)


@router.post("/verify", **operation("The address is verified.", takes=KEYED, fails=[403], status=204))
async def verify_email(body: VerificationToken, send: Send) -> Answer:
    """Verify an email address, with the token of the latest link. It starts the free plan.

    A link is valid for 24 hours and works once; any other answers 403 `link_not_valid`.
    """
    return await send(VerifyEmail(token=body.token))


@router.post(
    "/resend-verification",
    response_model=NextStep,
    **operation("Accepted.", takes=KEYED, status=202, limits=["account-mail"]),
)
async def resend_verification(body: AccountAddress, send: Send) -> Answer:
    """Request a new link to verify an address, at most once a minute, then more rarely. It replaces the earlier one.

    The answer is the same for all addresses.
    """
    return await send.accept(RequestVerification(email=body.email), VERIFICATION)


@router.post(
    "/forgot-password",
    response_model=NextStep,
    **operation("Accepted.", takes=KEYED, status=202, limits=["account-mail"]),
)
async def forgot_password(body: AccountAddress, send: Send) -> Answer:
    """Request a link to set a new password, at most once a minute, then more rarely. It replaces the earlier one.

    The answer is the same for all addresses.
    """
    return await send.accept(RequestPasswordReset(email=body.email), RESET)


@router.post("/reset-password", **operation("The password is set.", takes=KEYED, fails=[403], status=204))
async def reset_password(body: PasswordReset, send: Send) -> Answer:
    """Set a new password, with the token of the latest link. It verifies the address, too.

    A link is valid for one hour and works once; any other answers 403 `link_not_valid`.
    """
    return await send(ResetPassword(token=body.token, password=body.password))
