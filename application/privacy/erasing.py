"""One step of an erasure: what it looks at, and what becomes of it. The commands are in `erasure.py`."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from application.held_subjects import is_held, require_not_held
from application.ports import HeldStream, Holdings, Store, Unreadable
from domain.billing.subscription import Subscription
from domain.content import erasure as documents
from domain.content.document import Document
from domain.content.folder import FolderTree
from domain.content.share_link import ShareLinks
from domain.generation.generation import Generation
from domain.generation.provider_key import KeyChoice, ProviderKey
from domain.identity.user import User
from domain.kernel import NotFound, Party, Root
from domain.privacy.address import Address
from domain.privacy.erasure_record import ErasureRecord
from domain.privacy.legal_hold import LegalHold
from domain.teams import erasure as teams
from domain.teams.team import Team

MAX_EVENTS = 500
MAX_CHARACTERS = 8_000_000
"""Texts of documents in memory, of one command."""

ERASERS: Mapping[str, tuple[type[Root], Callable[..., object]]] = {
    "user": (User, User.erase),
    "team": (Team, teams.erase_team),
    "document": (Document, documents.erase_document),
    "folder_tree": (FolderTree, FolderTree.erase),
    "share_links": (ShareLinks, ShareLinks.erase),
    "generation": (Generation, Generation.erase),
    "provider_key": (ProviderKey, ProviderKey.erase),
    "legal_hold": (LegalHold, LegalHold.erase),
}
"""What erases a stream by itself, by the topic of its aggregate. Addresses are erased otherwise: again and again."""

R = TypeVar("R", bound=Root)


@dataclass(frozen=True, slots=True)
class ErasureStep:
    """The outcome of one command. `changed`: number of streams; `complete`: nothing is left to do but for `unread`.

    `unread`: streams that cannot be read, and may hold more of what is erased. Of a user who is among them, the address
    is not known.
    """

    changed: int
    complete: bool
    unread: list[UUID]


class Erasure:
    """One step of an erasure: the aggregates that it looks at, each loaded once, and what becomes of them.

    `repeated`: a user, a team or an address that was erased before a restore. A hold on it is that of the backup.
    """

    def __init__(self, store: Store, holdings: Holdings, now: datetime, *, repeated: UUID | None = None) -> None:
        self.complete = True
        self._store = store
        self._holdings = holdings
        self._now = now
        self._repeated = repeated
        self._roots: dict[UUID, Root] = {}
        self._shells: dict[UUID, Root] = {}
        """Streams that cannot be read but have been erased."""
        self._concerned: set[UUID] = set()
        self._unread: set[UUID] = set()

    async def get(self, kind: type[R], id: UUID) -> R | None:
        """Return an aggregate; None: there is none, or it cannot be read, which is reported unless it was erased."""
        try:
            root = self._roots.get(id) or await self._store.get(kind, id)
        except NotFound:
            return None
        except Unreadable:
            await self._report(kind, id)
            return None
        assert isinstance(root, kind)
        self._roots[id] = root
        return root

    async def require_not_held(self, id: UUID) -> None:
        """Refuse the whole step if a user, a team or an address is held. Raises `ErasureIsHeld`."""
        if id != self._repeated:
            await require_not_held(self._store, id)

    async def _keeps(self, asker_id: UUID) -> bool:
        """Return whether a hold keeps what a user has asked for, while something of another owner is erased."""
        return asker_id != self._repeated and await is_held(self._store, asker_id)

    async def erase_holds_of(self, id: UUID) -> None:
        """Erase the reasons and names of all holds that a user, a team or an address ever had.

        What is repeated may be held by a backup: that ends, too, since no operator could lift an erased hold.
        """
        record = await self._store.basis(ErasureRecord, ErasureRecord.id_of(id))
        if record is None:
            return
        for hold_id in sorted(record.asked_holds):
            await self.erase(LegalHold, hold_id, LegalHold.erase)
            record.lift(hold_id, now=self._now)
        self._roots[record.id] = record

    async def erase_document(self, id: UUID) -> None:
        """Erase a document by itself, with its links, after what people have asked language models for, for it.

        Raises:
            NotFound: there is no such document.
            ErasureIsHeld: its owner is held; of one that cannot be read, the owner whom reads show, else its tenant.
        """
        try:
            owner = (await self._store.get(Document, id)).owner
        except Unreadable:
            tenant = (await self._store.shell(Document, id)).tenant
            owner = await self._holdings.owner_of(id) or tenant
        await self.require_not_held(owner.id)
        await self.erase(Document, id, documents.erase_document)
        await self.erase_links_of(id)
        await self.erase_generations_for(id)

    async def erase(self, kind: type[Root], id: UUID, by: Callable[..., object]) -> None:
        """Erase a stream: by a function of the domain, or by its erasing event alone if it cannot be read.

        Raises:
            NotFound: there is no such stream.
        """
        try:
            root = self._roots.get(id) or await self._store.get(kind, id)
            by(root, now=self._now)
        except Unreadable:
            root = await self._store.shell(kind, id)
            root.erase_unread(now=self._now)
        self._add(root)

    async def repeat(self, kind: str, id: UUID) -> None:
        """Erase a stream that was erased before, by itself. `kind`: the topic of its aggregate.

        Raises:
            NotFound: there is no such stream, or nothing of this kind is ever erased.
        """
        if kind == Address.TOPIC:
            self._add(await self._erased_address(id))
        elif kind in ERASERS:
            await self.erase(ERASERS[kind][0], id, ERASERS[kind][1])
        else:
            raise NotFound(f"Nothing of the kind {kind} is ever erased.")

    async def erase_documents_of(self, owner: Party) -> None:
        """Erase the documents and folders of a user or a team.

        A document is erased after all generations for it: the next step would not find them by a document that is gone.
        """
        async for document in self._each(Document, await self._holdings.documents_of(owner)):
            if not documents.is_of(document, owner):
                continue
            await self.erase_generations_for(document.id)
            if not self.complete:
                break
            documents.erase_document(document, now=self._now)
            self._concerned.add(document.id)
            await self.erase_links_of(document.id)
        with suppress(NotFound):
            await self.erase(FolderTree, FolderTree.id_of(owner), FolderTree.erase)

    async def erase_links_of(self, document_id: UUID) -> None:
        """Erase the share links of a document, if it has ever had one."""
        with suppress(NotFound):
            await self.erase(ShareLinks, ShareLinks.id_of(document_id), ShareLinks.erase)

    async def erase_generations_of(self, user_id: UUID) -> None:
        """Erase what a user has asked language models for."""
        async for generation in self._each(Generation, await self._holdings.generations_of(user_id)):
            if generation.asker_id == user_id:
                generation.erase(now=self._now)

    async def erase_generations_for(self, document_id: UUID) -> None:
        """Erase what people have asked language models for, for a document, but not what held people have."""
        async for generation in self._each(Generation, await self._holdings.generations_for(document_id)):
            if generation.document_id == document_id and not await self._keeps(generation.asker_id):
                generation.erase(now=self._now)

    async def erase_kept_generations_of(self, user_id: UUID) -> None:
        """Erase what a user has asked language models for, for documents that have been erased."""
        async for generation in self._each(Generation, await self._holdings.generations_of(user_id)):
            if generation.asker_id == user_id and await self._is_erased(generation.document_id):
                generation.erase(now=self._now)

    async def erase_team(self, id: UUID) -> None:
        """Erase a team, after what belongs to it."""
        await self.require_not_held(id)
        await self.erase_things_of_team(id)
        if self.complete:
            await self.erase_holds_of(id)
            await self.erase(Team, id, teams.erase_team)

    async def erase_things_of_team(self, id: UUID) -> None:
        """Erase the documents, folders and provider key of a team, and end its plan."""
        await self.erase_documents_of(Party("team", id))
        await self.erase_provider_key_of(Party("team", id))
        await self.cancel_plan(Party("team", id))

    async def erase_provider_key_of(self, payer: Party) -> None:
        """Erase the key with which a user or a team pays the provider, if there is one."""
        choice = await self.get(KeyChoice, KeyChoice.id_of(payer))
        if choice is not None and choice.key_id is not None:
            key_id = choice.key_id
            choice.end(now=self._now)
            with suppress(NotFound):
                await self.erase(ProviderKey, key_id, ProviderKey.erase)

    async def end_memberships(self, user_id: UUID) -> None:
        """End the memberships of a user, and the teams that have no other member."""
        async for team in self._each(Team, await self._holdings.teams_of(user_id)):
            if teams.ends_with(team, user_id):
                await self.erase_team(team.id)
            else:
                teams.end_membership(team, user_id, now=self._now)

    async def cancel_plan(self, payer: Party) -> None:
        """End the paid plan of a user or a team, if it has one."""
        plan = await self.get(Subscription, Subscription.id_of(payer))
        if plan is not None:
            plan.cancel(now=self._now)

    def close(self, user: User) -> None:
        """Close the account of a user whose erasure goes on."""
        user.deactivate(now=self._now)

    async def forget_user(self, id: UUID) -> None:
        """Revoke the shares that are bound to a user."""
        async for document in self._each(Document, await self._holdings.documents_bound_to(id)):
            documents.forget_user(document, id, now=self._now)

    async def forget_address(self, id: UUID) -> None:
        """Revoke the shares and invitations of an address, then erase it."""
        await self.require_not_held(id)
        async for document in self._each(Document, await self._holdings.documents_shared_with(id)):
            documents.forget_address(document, id, now=self._now)
        async for team in self._each(Team, await self._holdings.teams_inviting(id)):
            teams.withdraw_invitation(team, id, now=self._now)
        if self.complete:
            await self.erase_holds_of(id)
            self._add(await self._erased_address(id))

    @property
    def unread(self) -> list[UUID]:
        """The streams that cannot be read and have not been erased."""
        return sorted(self._unread)

    def stage(self) -> ErasureStep:
        """Stage all changes, for one append."""
        changed = [root for root in self._roots.values() if root.pending_events]
        unchanged = [root for root in (self._roots | self._shells).values() if not root.pending_events]
        self._store.save(*changed, *[root for root in unchanged if root.id in self._concerned])
        return ErasureStep(len(changed), self.complete, self.unread)

    def _add(self, root: Root) -> None:
        """Add what is erased itself, after all that belongs to it."""
        self._roots.pop(root.id, None)
        self._roots[root.id] = root
        self._concerned.add(root.id)

    async def _each(self, kind: type[R], held: Iterable[HeldStream]) -> AsyncIterator[R]:
        """Yield the aggregates that can be read, until there are events or texts enough."""
        for stream in held:
            changed = [root for root in self._roots.values() if root.pending_events]
            characters = sum(root.content_length for root in changed if isinstance(root, Document))
            if sum(len(root.pending_events) for root in changed) >= MAX_EVENTS or characters >= MAX_CHARACTERS:
                self.complete = False
                return
            if stream.listed:
                self._concerned.add(stream.id)
            root = await self.get(kind, stream.id)
            if root is not None:
                yield root

    async def _is_erased(self, document_id: UUID) -> bool:
        document = await self.get(Document, document_id) or self._shells.get(document_id)
        return document is not None and document.erased

    async def _report(self, kind: type[Root], id: UUID) -> None:
        """Report a stream that cannot be read, unless it has been erased."""
        try:
            shell = await self._store.shell(kind, id)
        except NotFound:
            return
        except Unreadable:
            self._unread.add(id)
            return
        if shell.erased:
            self._shells[id] = shell
        else:
            self._unread.add(id)

    async def _erased_address(self, id: UUID) -> Address:
        try:
            address = await self._store.get(Address, id)
        except NotFound:
            return Address.erase(id=id, now=self._now)
        except Unreadable:
            address = await self._store.shell(Address, id)
        address.erase_again(now=self._now)
        return address
