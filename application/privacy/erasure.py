"""Use cases of erasure: a user, an email address, a document or a team, with what belongs to them.

What several people share: a user's documents end with them, but for those of a team; edits of others' documents stay
(`decisions/0001-what-an-erasure-takes.md`). The sender of these commands has checked that they may be carried out.

A command stores about `MAX_EVENTS` events, for documents with about `MAX_CHARACTERS`; send it again until it answers
that it is complete. The event that erases the user, address or team comes last, so an interrupted erasure goes on. A
stream that cannot be read stops no erasure but is reported. It can itself be erased: its key is destroyed, though its
shares or members are not known.
"""

from uuid import UUID

from application.commands import Command, handles
from application.ports import Clock, EmailIndex, Holdings, Store
from application.privacy.erasing import Erasure, ErasureStep
from domain.billing.subscription import Subscription
from domain.identity.suspension import is_to_be_erased
from domain.identity.user import User
from domain.kernel import Party
from domain.teams import dissolution
from domain.teams.team import Team


class EraseUser(Command[ErasureStep]):
    """Erase a user, with their verified address and their documents, and end their memberships.

    `repeated`: it was carried out before a restore, so no legal hold on the user stops it.
    """

    id: UUID
    repeated: bool = False


class EraseUnverifiedUser(Command[ErasureStep]):
    """Erase a user who has never verified their address. It changes nothing if they have, or if they have a plan.

    Earlier versions started plans before the address was verified: their users may have documents.
    """

    id: UUID


class EraseDeletedUser(Command[ErasureStep]):
    """Erase a user whose account was to be deleted, once the time is over in which they could withdraw that."""

    id: UUID


class EraseAddress(Command[ErasureStep]):
    """Erase an email address by its blind id: revoke its shares and invitations. `repeated`: see `EraseUser`."""

    id: UUID
    repeated: bool = False


class EraseDocument(Command[ErasureStep]):
    """Erase a document."""

    id: UUID


class EraseTeam(Command[ErasureStep]):
    """Erase a team and its documents. `repeated`: see `EraseUser`."""

    id: UUID
    repeated: bool = False


class CarryOutDissolution(Command[ErasureStep]):
    """Dissolve a team if its time of grace is over, and erase its documents and folders. The team itself stays."""

    id: UUID


@handles
async def erase_user(
    cmd: EraseUser, store: Store, holdings: Holdings, addresses: EmailIndex, clock: Clock
) -> ErasureStep:
    erasure = Erasure(store, holdings, clock(), repeated=cmd.id if cmd.repeated else None)
    return await _erase_user(erasure, await erasure.get(User, cmd.id), cmd.id, addresses)


@handles
async def erase_unverified_user(
    cmd: EraseUnverifiedUser, store: Store, holdings: Holdings, addresses: EmailIndex, clock: Clock
) -> ErasureStep:
    erasure = Erasure(store, holdings, clock())
    user = await erasure.get(User, cmd.id)
    plan = await erasure.get(Subscription, Subscription.id_of(Party("user", cmd.id)))
    if user is None or user.email_verified or user.erased or plan is not None or erasure.unread:
        return ErasureStep(0, complete=True, unread=erasure.unread)
    return await _erase_user(erasure, user, cmd.id, addresses)


@handles
async def erase_deleted_user(
    cmd: EraseDeletedUser, store: Store, holdings: Holdings, addresses: EmailIndex, clock: Clock
) -> ErasureStep:
    erasure = Erasure(store, holdings, clock())
    user = await erasure.get(User, cmd.id)
    if user is None or not is_to_be_erased(user, clock()):
        return ErasureStep(0, complete=True, unread=erasure.unread)
    return await _erase_user(erasure, user, cmd.id, addresses)


async def _erase_user(erasure: Erasure, user: User | None, id: UUID, addresses: EmailIndex) -> ErasureStep:
    await erasure.require_not_held(id)
    await erasure.erase_documents_of(Party("user", id))
    await erasure.erase_generations_of(id)
    await erasure.erase_provider_key_of(Party("user", id))
    await erasure.end_memberships(id)
    await erasure.cancel_plan(Party("user", id))
    await erasure.forget_user(id)
    # An address that was not verified may belong to another person.
    for email in user.verified_addresses if user is not None and not user.erased else ():
        await erasure.forget_address(addresses.address_id(email))
    if erasure.complete:
        await erasure.erase_holds_of(id)
        await erasure.erase(User, id, User.erase)
    elif user is not None:
        erasure.close(user)
    return erasure.stage()


@handles
async def erase_address(cmd: EraseAddress, store: Store, holdings: Holdings, clock: Clock) -> ErasureStep:
    erasure = Erasure(store, holdings, clock(), repeated=cmd.id if cmd.repeated else None)
    await erasure.forget_address(cmd.id)
    return erasure.stage()


@handles
async def erase_document(cmd: EraseDocument, store: Store, holdings: Holdings, clock: Clock) -> ErasureStep:
    erasure = Erasure(store, holdings, clock())
    await erasure.erase_document(cmd.id)
    return erasure.stage()


@handles
async def erase_team(cmd: EraseTeam, store: Store, holdings: Holdings, clock: Clock) -> ErasureStep:
    erasure = Erasure(store, holdings, clock(), repeated=cmd.id if cmd.repeated else None)
    await erasure.erase_team(cmd.id)
    return erasure.stage()


@handles
async def carry_out_dissolution(
    cmd: CarryOutDissolution, store: Store, holdings: Holdings, clock: Clock
) -> ErasureStep:
    erasure = Erasure(store, holdings, clock())
    team = await erasure.get(Team, cmd.id)
    if team is not None:
        dissolution.carry_out(team, now=clock())
    if team is not None and team.dissolved_at is not None:
        await erasure.require_not_held(cmd.id)
        await erasure.erase_things_of_team(cmd.id)
    return erasure.stage()
