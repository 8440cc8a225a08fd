"""Use cases of erasure: a user, an email address, a document or a team, with what belongs to them.

What several people share: a user's documents end with them, but for those of a team; edits of others' documents stay
(`decisions/0001-what-an-erasure-takes.md`). The sender of these commands has checked that they may be carried out.

A command stores about `MAX_EVENTS` events; send it again until it answers that it is complete. The event that erases
the user, address or team itself comes last, so an erasure that was interrupted goes on.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from application.commands import Command, handles
from application.ports import Clock, EmailIndex, Holdings, Store
from domain.billing.subscription import Subscription
from domain.content import erasure as documents
from domain.content.document import Document
from domain.identity.user import User
from domain.kernel import NotFound, Party, Root
from domain.privacy.address import Address
from domain.teams.erasure import end_membership, erase_team, withdraw_invitation
from domain.teams.team import Team

MAX_EVENTS = 500

R = TypeVar("R", bound=Root)


@dataclass(frozen=True, slots=True)
class ErasureStep:
    """The outcome of one command. `changed`: number of streams; `complete`: nothing is left to do."""

    changed: int
    complete: bool


class EraseUser(Command[ErasureStep]):
    """Erase a user, with their verified address and their documents, and end their memberships."""

    id: UUID


class EraseAddress(Command[ErasureStep]):
    """Erase an email address by its blind id: revoke its shares and invitations."""

    id: UUID


class EraseDocument(Command[ErasureStep]):
    """Erase a document."""

    id: UUID


class EraseTeam(Command[ErasureStep]):
    """Erase a team and its documents."""

    id: UUID


class _Changes:
    """The aggregates that one command changes, each loaded once."""

    def __init__(self, store: Store, now: datetime) -> None:
        self.complete = True
        self._store = store
        self._now = now
        self._roots: dict[UUID, Root] = {}

    async def apply(self, kind: type[R], ids: Iterable[UUID], change: Callable[[R], None]) -> None:
        """Change the streams of this kind among `ids`, until there are events enough."""
        for id in ids:
            if sum(len(root.pending_events) for root in self._roots.values()) >= MAX_EVENTS:
                self.complete = False
                return
            try:
                root = self._roots.get(id) or await self._store.get(kind, id)
            except NotFound:
                continue
            assert isinstance(root, kind)
            self._roots[id] = root
            change(root)

    def add(self, root: Root) -> None:
        """Add an aggregate that was changed outside."""
        self._roots[root.id] = root

    async def erase_documents_of(self, owner_id: UUID, holdings: Holdings) -> None:
        """Erase the documents of a user or a team."""
        owned = await holdings.documents_of(owner_id)
        await self.apply(Document, owned, lambda document: documents.erase_own(document, owner_id, now=self._now))

    async def cancel_plan(self, payer: Party) -> None:
        """End the paid plan of a user or a team, if it has one."""
        await self.apply(Subscription, [Subscription.id_of(payer)], lambda plan: plan.cancel(now=self._now))

    async def forget_address(self, id: UUID, holdings: Holdings) -> None:
        """Revoke the shares and invitations of an address, then erase it."""
        now = self._now
        shared, inviting = await holdings.documents_shared_with(id), await holdings.teams_inviting(id)
        await self.apply(Document, shared, lambda document: documents.forget_address(document, id, now=now))
        await self.apply(Team, inviting, lambda team: withdraw_invitation(team, id, now=now))
        if self.complete:
            self.add(await self._erased_address(id))

    def stage(self) -> ErasureStep:
        """Stage all changes, for one append."""
        changed = [root for root in self._roots.values() if root.pending_events]
        self._store.save(*changed)
        return ErasureStep(len(changed), self.complete)

    async def _erased_address(self, id: UUID) -> Address:
        try:
            address = await self._store.get(Address, id)
        except NotFound:
            return Address.erase(id=id, now=self._now)
        address.erase_again(now=self._now)
        return address


@handles
async def erase_user(
    cmd: EraseUser, store: Store, holdings: Holdings, addresses: EmailIndex, clock: Clock
) -> ErasureStep:
    now = clock()
    user = await store.get(User, cmd.id)
    changes = _Changes(store, now)
    await changes.erase_documents_of(user.id, holdings)
    await changes.apply(Team, await holdings.teams_of(user.id), lambda team: end_membership(team, user.id, now=now))
    await changes.cancel_plan(Party("user", user.id))
    bound = await holdings.documents_bound_to(user.id)
    await changes.apply(Document, bound, lambda document: documents.forget_user(document, user.id, now=now))
    # An address that was not verified may belong to another person.
    if user.email_verified and not user.erased:
        await changes.forget_address(addresses.address_id(user.email), holdings)
    if changes.complete:
        user.erase(now=now)
    else:
        user.deactivate(now=now)
    changes.add(user)
    return changes.stage()


@handles
async def erase_address(cmd: EraseAddress, store: Store, holdings: Holdings, clock: Clock) -> ErasureStep:
    changes = _Changes(store, clock())
    await changes.forget_address(cmd.id, holdings)
    return changes.stage()


@handles
async def erase_document(cmd: EraseDocument, store: Store, clock: Clock) -> ErasureStep:
    now = clock()
    document = await store.get(Document, cmd.id)
    documents.erase_document(document, now=now)
    changes = _Changes(store, now)
    changes.add(document)
    return changes.stage()


@handles
async def erase_team_and_documents(cmd: EraseTeam, store: Store, holdings: Holdings, clock: Clock) -> ErasureStep:
    now = clock()
    team = await store.get(Team, cmd.id)
    changes = _Changes(store, now)
    await changes.erase_documents_of(team.id, holdings)
    await changes.cancel_plan(Party("team", team.id))
    if changes.complete:
        erase_team(team, now=now)
        changes.add(team)
    return changes.stage()
