"""HTTP for users: register, log in, one's own account."""

from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import Field

from adapters.http.api.commands import Send
from adapters.http.api.openapi import CONDITIONAL, EXAMPLE_ID, EXAMPLE_TIME, FRESH_UNLESS_KNOWN, KEYED, operation
from adapters.http.api.queries import Read
from adapters.http.api.responses import Answer, encode
from adapters.http.api.routing import ApiRoute
from adapters.http.api.schemas import Body, Email, shown
from adapters.http.service.health import House
from application.identity.user import ChangeProfile, LogIn, Register, UserView
from domain.identity.user import AVATAR_URL_LENGTH, NAME_LENGTH
from projections.identity.user import user

router = APIRouter(prefix="/v1", route_class=ApiRoute, tags=["accounts"])

Password = Annotated[str, Field(min_length=1, max_length=1024, json_schema_extra={"format": "password"})]
Name = Annotated[str, Field(min_length=1, max_length=NAME_LENGTH)]
AvatarUrl = Annotated[str, Field(max_length=AVATAR_URL_LENGTH, pattern="^https://")]

WORDS = "umber cartwheel tenfold mist"
USER = {
    "id": EXAMPLE_ID,
    "email": "ada@example.org",
    "name": "Ada Lovelace",
    "avatar_url": None,
    "email_verified": False,
    "version": 1,
    "created_at": EXAMPLE_TIME,
    "updated_at": EXAMPLE_TIME,
}


class NewUser(Body):
    """Whoever registers. A password has 15 characters or more; a few words that nobody would guess do best."""

    model_config = shown({"email": "ada@example.org", "name": "Ada Lovelace", "password": WORDS})
    email: Email
    name: Name
    password: Password


class Credentials(Body):
    """What logging in takes."""

    model_config = shown({"email": "ada@example.org", "password": WORDS})
    email: Email
    password: Password


class Profile(Body):
    """What others see of a user."""

    model_config = shown({"name": "Ada King", "avatar_url": "https://images.example.org/ada.png"})
    name: Name
    avatar_url: AvatarUrl | None = None


@dataclass(frozen=True, slots=True)
class AccessToken:
    """Send it as `Authorization: Bearer ACCESS_TOKEN`, for `expires_in` seconds."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int


@router.post(
    "/auth/register",
    response_model=UserView,
    **operation("The new account.", takes=KEYED, example=USER, status=201),
)
async def register(body: NewUser, send: Send) -> Answer:
    """Open an account, on the free plan."""
    command = Register(email=body.email, name=body.name, password=body.password)
    return await send(command, at="/v1/users/me")


@router.post(
    "/auth/login",
    response_model=AccessToken,
    **operation(
        "A token.",
        example={"access_token": "eyJhbGciOiJFZDI1NTE5…", "token_type": "Bearer", "expires_in": 3600},
        fails=[401, 503],
    ),
)
async def log_in(body: Credentials, send: Send, house: House) -> Answer:
    """Log in with email address and password."""
    known = await send.ask(LogIn(email=body.email, password=body.password))
    token = house.tokens.issue(known.user_id, known.address_id)
    return Answer(encode(AccessToken(token, "Bearer", house.tokens.lifetime)))


@router.get(
    "/users/me",
    response_model=UserView,
    **operation("The account.", scope="users:read", takes=FRESH_UNLESS_KNOWN, example=USER),
)
async def get_me(read: Read) -> Answer:
    """Get one's own account."""
    return read.one(await read.query(user, read.actor.user_id))


@router.put(
    "/users/me",
    response_model=UserView,
    **operation("The account as it is now.", scope="users:write", takes=CONDITIONAL, example=USER),
)
async def change_me(body: Profile, send: Send) -> Answer:
    """Change one's own name and picture."""
    return await send(ChangeProfile(name=body.name, avatar_url=body.avatar_url, expected=send.expected))
