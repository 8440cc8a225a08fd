"""HTTP for keys of their own, with which users and teams pay the provider themselves."""

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field, SecretStr

from adapters.http.api.commands import Send
from adapters.http.api.openapi import KEYED, operation
from adapters.http.api.queries import Read
from adapters.http.api.responses import Answer
from adapters.http.api.routers import Router, Tag
from adapters.http.api.schemas import Body
from application.generation.provider_key import (
    DeleteProviderKey,
    ProviderKeyView,
    SaveProviderKey,
    read_provider_key,
)
from domain.access import ACCOUNT, TEAM
from domain.generation.provider_key import MAX_KEY_LENGTH, MIN_KEY_LENGTH

router = Router("/v1", tag=Tag("provider-keys", "Keys with which users and teams pay the provider themselves."))

OWN, OF_TEAM = "/users/me/provider-key", "/teams/{team_id}/provider-key"


class NewProviderKey(Body):
    """A key of the provider. No answer ever shows it again."""

    MAX_BYTES: ClassVar[int] = 4_096
    key: Annotated[
        SecretStr,
        Field(min_length=MIN_KEY_LENGTH, max_length=MAX_KEY_LENGTH, examples=["sk-proj-4c7DnA0pQ2xVb8LmT6yR"]),
    ]

    def command(self, team_id: UUID | None) -> SaveProviderKey:
        """Return the command that saves it."""
        return SaveProviderKey(team_id=team_id, key=self.key.get_secret_value())


@router.put(
    OWN,
    response_model=ProviderKeyView,
    **operation(
        "The key, without the key.", access=ACCOUNT.action("change"), takes=KEYED, limits=["user", "generation"]
    ),
)
async def save_own_provider_key(body: NewProviderKey, send: Send) -> Answer:
    """Pay the provider with a key of one's own. Texts that are asked for from now on cost no money here.

    The key is tried first: 422 if the provider refuses it. It takes the place of an earlier one, which is erased.
    Tokens still count. It pays for what the caller asks for, but for documents of teams, which pay themselves.
    """
    return await send(body.command(None))


@router.get(
    OWN,
    response_model=ProviderKeyView,
    **operation("The key, without the key.", access=ACCOUNT.action("read"), fails=[404]),
)
async def get_own_provider_key(read: Read) -> Answer:
    """Get the last characters of the caller's key, and when it was saved. 404 without one.

    Never stale: read from the event log.
    """
    return read.unversioned(await read_provider_key(read.history, read.actor, None, read.now))


@router.delete(OWN, **operation("Deleted.", access=ACCOUNT.action("change"), takes=KEYED, status=204))
async def delete_own_provider_key(send: Send) -> Answer:
    """Delete the caller's key. It is erased for good, and texts that wait to be written with it fail."""
    return await send(DeleteProviderKey(team_id=None))


@router.put(
    OF_TEAM,
    response_model=ProviderKeyView,
    **operation(
        "The key, without the key.",
        access=TEAM.action("manage_provider_key"),
        takes=KEYED,
        limits=["user", "generation"],
    ),
)
async def save_team_provider_key(team_id: UUID, body: NewProviderKey, send: Send) -> Answer:
    """Pay the provider with a key of the team. Requires the admin role.

    The key is tried first: 422 if the provider refuses it. It takes the place of an earlier one, which is erased. Texts
    for documents of the team, asked for from now on, cost no money here. Tokens still count.
    """
    return await send(body.command(team_id))


@router.get(
    OF_TEAM,
    response_model=ProviderKeyView,
    **operation("The key, without the key.", access=TEAM.action("read_provider_key")),
)
async def get_team_provider_key(team_id: UUID, read: Read) -> Answer:
    """Get the last characters of the team's key, and when it was saved. Requires the admin role. 404 without one.

    Never stale: read from the event log.
    """
    return read.unversioned(await read_provider_key(read.history, read.actor, team_id, read.now))


@router.delete(OF_TEAM, **operation("Deleted.", access=TEAM.action("manage_provider_key"), takes=KEYED, status=204))
async def delete_team_provider_key(team_id: UUID, send: Send) -> Answer:
    """Delete the team's key. Requires the admin role.

    It is erased for good, and texts that wait to be written with it fail.
    """
    return await send(DeleteProviderKey(team_id=team_id))
