"""HTTP for users: registration, login, the caller's account."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from adapters.http.api.commands import Send
from adapters.http.api.context import Dependencies
from adapters.http.api.openapi import CONDITIONAL, FRESH_UNLESS_KNOWN, KEYED, operation
from adapters.http.api.queries import Read
from adapters.http.api.responses import Answer, encode
from adapters.http.api.routers import Router, Tag
from adapters.http.api.schemas import Body, Email
from application.identity.user import ChangeProfile, LogIn, Register, UserView
from domain.identity.user import AVATAR_URL_LENGTH, NAME_LENGTH
from projections.identity.user import user

router = Router("/v1", tag=Tag("accounts", "Registration, login, and the caller's account."))

OwnEmail = Annotated[Email, Field(examples=["ada@example.org"])]
Password = Annotated[
    str,
    Field(
        min_length=1,
        max_length=128,
        json_schema_extra={"format": "password"},
        examples=["umber cartwheel tenfold mist"],
    ),
]
UserName = Annotated[str, Field(min_length=1, max_length=NAME_LENGTH)]
AvatarUrl = Annotated[str, Field(max_length=AVATAR_URL_LENGTH, pattern="^https://[!-~]+$")]


class NewUser(Body):
    """A new account. A password has at least 15 characters; several uncommon words make a good one."""

    email: OwnEmail
    name: UserName
    password: Password


class Credentials(Body):
    """An email address and a password."""

    MAX_BYTES: ClassVar[int] = 4_096
    email: OwnEmail
    password: Password


class Profile(Body):
    """The part of an account that other users see."""

    name: UserName
    avatar_url: AvatarUrl | None = None


@dataclass(frozen=True, slots=True)
class AccessToken:
    """An access token, valid for `expires_in` seconds. Send it as `Authorization: Bearer ACCESS_TOKEN`."""

    access_token: Annotated[str, Field(examples=["eyJhbGciOiJFZDI1NTE5…"])]
    token_type: Literal["Bearer"]
    expires_in: Annotated[int, Field(examples=[3600])]


@router.post(
    "/auth/register",
    response_model=UserView,
    **operation("The new account.", takes=KEYED, status=201),
)
async def register(body: NewUser, send: Send) -> Answer:
    """Register an account. It starts on the free plan."""
    command = Register(email=body.email, name=body.name, password=body.password)
    return await send(command, at="/v1/users/me")


@router.post(
    "/auth/login",
    response_model=AccessToken,
    **operation(
        "An access token.",
        fails=[401, 503],
    ),
)
async def log_in(body: Credentials, send: Send, deps: Dependencies) -> Answer:
    """Log in with email address and password."""
    known = await send.ask(LogIn(email=body.email, password=body.password))
    token = deps.tokens.issue(known.user_id, known.address_id)
    return Answer(encode(AccessToken(token, "Bearer", deps.tokens.lifetime)))


@router.get(
    "/users/me",
    response_model=UserView,
    **operation("The account.", scope="users:read", takes=FRESH_UNLESS_KNOWN),
)
async def get_me(read: Read) -> Answer:
    """Get the caller's account."""
    return read.one(await read.query(user, read.history, read.actor.user_id))


@router.put(
    "/users/me",
    response_model=UserView,
    **operation("The changed account.", scope="users:write", takes=CONDITIONAL),
)
async def change_me(body: Profile, send: Send) -> Answer:
    """Change the caller's name and picture."""
    return await send(ChangeProfile(name=body.name, avatar_url=body.avatar_url))
