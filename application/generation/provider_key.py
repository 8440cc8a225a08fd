"""Use cases of keys of their own: a user or a team saves one, sees its end, and deletes it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from application.admission import admit
from application.commands import Command, handles
from application.lookup import find
from application.ports import Actor, Clock, EventStore, KeyRefused, NewId, Store, TryKey
from application.views import view_maker
from domain.generation.provider_key import KeyChoice, ProviderKey
from domain.generation.refusals import NoProviderKey, UnusableProviderKey
from domain.kernel import NotFound, Party
from domain.teams.team import Team


@dataclass(frozen=True, slots=True)
class ProviderKeyView:
    """A key without the key. `last_characters`: its end, by which its owner knows it."""

    id: UUID
    last_characters: str
    created_at: datetime


def _require_reader(key: ProviderKey, actor: Actor | None, now: datetime) -> None:
    if actor is None or actor.user_id != key.saved_by or key.erased:
        raise NotFound("There is no such key.")


key_view = view_maker(ProviderKeyView, ProviderKey, require_reader=_require_reader)


class SaveProviderKey(Command[ProviderKeyView]):
    """Use this key from now on, in place of any earlier one. `team_id`: whose; None: the actor's own."""

    team_id: UUID | None
    key: str


class DeleteProviderKey(Command[None]):
    """Use no key of one's own any more. `team_id`: whose; None: the actor's own.

    No answer is kept, as with all that erases: a repeat deletes the key that is used then.
    """

    team_id: UUID | None


@handles
async def save_provider_key(
    cmd: SaveProviderKey, store: Store, actor: Actor, clock: Clock, new_id: NewId, try_key: TryKey
) -> ProviderKeyView:
    payer, now = await _payer(store, cmd.team_id, actor, clock()), clock()
    choice = await find(store, KeyChoice, KeyChoice.id_of(payer))
    old = await _key_of(store, choice)
    if old is not None and old.is_same(cmd.key):
        return key_view(old)
    key = ProviderKey.save(cmd.key, id=new_id(), payer=payer, by=actor.user_id, now=now)
    await _try(try_key, key.key)
    if choice is None:
        choice = KeyChoice.make(payer, key.id, now=now)
    else:
        choice.change(key.id, now=now)
    if old is not None:
        old.erase(now=now)
    store.save(key, choice, *([] if old is None else [old]))
    return key_view(key)


@handles
async def delete_provider_key(cmd: DeleteProviderKey, store: Store, actor: Actor, clock: Clock) -> None:
    payer, now = await _payer(store, cmd.team_id, actor, clock()), clock()
    choice = await find(store, KeyChoice, KeyChoice.id_of(payer))
    key = await _key_of(store, choice)
    if choice is None or key is None:
        return
    choice.end(now=now)
    key.erase(now=now)
    store.save(choice, key)


async def read_provider_key(events: EventStore, actor: Actor, team_id: UUID | None, now: datetime) -> ProviderKeyView:
    """Return the key that the actor or a team uses, as the log has it now.

    Raises:
        NotFound: the team does not exist for the actor, or there is no key (`NoProviderKey`).
        RoleTooLow: the actor may not see it.
    """
    payer = Party("user", actor.user_id)
    if team_id is not None:
        team = await events.load(Team, team_id)
        if team is None:
            raise NotFound("There is no such team.")
        await admit(team, actor, events, now)
        team.require("read_provider_key", actor, now)
        payer = Party("team", team_id)
    key = await used_key(events, payer)
    if key is None:
        raise NoProviderKey("No key is saved, so texts are written with ours; save one by PUT.")
    return key_view(key)


async def used_key(events: EventStore, payer: Party) -> ProviderKey | None:
    """Return the key that a payer uses; None: ours."""
    choice = await events.load(KeyChoice, KeyChoice.id_of(payer))
    key = None if choice is None or choice.key_id is None else await events.load(ProviderKey, choice.key_id)
    return None if key is None or key.erased else key


async def has_own_key(store: Store, payer: Party) -> bool:
    """Return whether a payer uses a key of their own."""
    choice = await find(store, KeyChoice, KeyChoice.id_of(payer))
    return choice is not None and choice.key_id is not None


async def _payer(store: Store, team_id: UUID | None, actor: Actor, now: datetime) -> Party:
    """Return whose key it is. Raises `NotFound`, `RoleTooLow`."""
    if team_id is None:
        return Party("user", actor.user_id)
    team = await store.get(Team, team_id)
    team.require("manage_provider_key", actor, now)
    return Party("team", team_id)


async def _key_of(store: Store, choice: KeyChoice | None) -> ProviderKey | None:
    return None if choice is None or choice.key_id is None else await find(store, ProviderKey, choice.key_id)


async def _try(try_key: TryKey, key: str) -> None:
    try:
        await try_key(key)
    except KeyRefused:
        raise UnusableProviderKey(
            "The provider refuses this key: copy it again, or make another one at the provider."
        ) from None
