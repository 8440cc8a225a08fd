"""Documents: texts with a history, which their owner shares by email address.

Roles and their actions are in `domain/access.py`. A share is open to the verified holder of its address. When a holder
first uses it, it is bound to that user: from then on it does not matter who holds the address. A draft is published or
archived; an archived document is read-only until it is published again. The trash is independent of the status: a
document in the trash can only be restored, and its shares revoked.

One save is one event, whatever it changes, and one revision; the first revision is the creation. Sharing and trashing
are no revisions, so the revision is not the version of the stream. See `decisions/0002-one-save-is-one-event.md`.
"""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from domain.access import DOCUMENT, Person
from domain.content import (
    delta,
    filing_events,
    lending_events,
    ownership_events,
    refusals,
    sharing_events,
    version_names,
)
from domain.content.delta import Delta, DeltaFormat
from domain.content.roles import Role, ShareRole, TeamShare
from domain.content.saving import save
from domain.content.texts import usable_content, usable_title
from domain.kernel import FirstEvent, NotFound, Party, PartyKind, Personal, Root

Status = Literal["draft", "published", "archived"]


class Document(Root):
    """A text, its status, and the roles of people on it."""

    TOPIC = "document"
    snapshot_version = 3

    class Created(FirstEvent):
        TOPIC = "document.created"
        title: Personal[str]
        title_length: int
        content: Personal[str]
        content_length: int
        owner_kind: PartyKind
        owner_id: UUID

        @property
        def steps(self) -> Delta:
            """The delta from an empty content."""
            return [self.content] if self.content_length else []

        def apply(self, aggregate: "Document") -> None:
            self.assign(aggregate)
            aggregate.status = "draft"
            aggregate.revision = 1
            aggregate.saved_at = self.timestamp
            aggregate.unsaved = [[1, 0]]
            aggregate.trashed_at = None
            aggregate.transferred_at = None
            aggregate.folder_id = None
            aggregate.tags = []
            aggregate.shares = {}
            aggregate.share_users = {}
            aggregate.version_names = {}
            aggregate.team_shares = {}
            aggregate.end_offer()

    class Saved(Root.Event):
        """One save. What it leaves as it was is None; of the content, the delta has no steps then.

        Lengths are in code points. They are clear, so that an erased history counts and decides the same.
        """

        TOPIC = "document.saved"
        revision: int
        delta: Personal[Delta]
        delta_format: DeltaFormat
        inserted: int
        deleted: int
        title: Personal[str | None] = None
        title_length: int | None = None
        content_length: int | None = None
        status: Status | None = None
        restored_revision: int | None = None

        def apply(self, aggregate: "Document") -> None:
            aggregate.revision = self.revision
            aggregate.saved_at = self.timestamp
            unsaved = self.originator_version - self.revision
            if unsaved != aggregate.unsaved[-1][1]:
                aggregate.unsaved.append([self.revision, unsaved])
            if self.title is not None:
                aggregate.title = self.title
            if self.title_length is not None:
                aggregate.title_length = self.title_length
            if self.content_length is not None:
                aggregate.content = delta.apply(aggregate.content, self.steps)
                aggregate.content_length = self.content_length
            if self.status is not None:
                aggregate.status = self.status

        @property
        def steps(self) -> Delta:
            """The delta of the content. Raises `UnknownFormat`: this code cannot read it."""
            return delta.steps_of(self.delta, self.delta_format)

    class VersionNamed(version_names.VersionNamed): ...

    class VersionUnnamed(version_names.VersionUnnamed): ...

    class Filed(filing_events.FiledInFolder): ...

    class Tagged(filing_events.TagsReplaced): ...

    class Trashed(filing_events.MovedToTrash): ...

    class RestoredFromTrash(filing_events.RestoredFromTrash): ...

    class Shared(sharing_events.SharedWithAddress): ...

    class ShareChanged(sharing_events.ShareChanged): ...

    class ShareBound(sharing_events.ShareBound): ...

    class ShareRevoked(sharing_events.ShareRevoked): ...

    class SharedWithTeam(lending_events.SharedWithTeam): ...

    class TeamShareChanged(lending_events.TeamShareChanged): ...

    class TeamShareRevoked(lending_events.TeamShareRevoked): ...

    class OwnershipOffered(ownership_events.OfferedToAddress): ...

    class OwnershipOfferedToTeam(ownership_events.OfferedToTeam): ...

    class OwnershipOfferDeclined(ownership_events.OfferDeclined): ...

    class OwnershipOfferWithdrawn(ownership_events.OfferWithdrawn): ...

    class OwnershipTransferred(ownership_events.OwnerChanged): ...

    class Erased(Root.Event):
        TOPIC = "document.erased"
        revokes = ("document", "document_version")
        erases = True

        def apply(self, aggregate: "Document") -> None:
            aggregate.erased = True

    title: str
    title_length: int
    content: str
    content_length: int
    owner_kind: PartyKind
    owner_id: UUID
    status: Status
    revision: int
    saved_at: datetime
    unsaved: list[list[int]]
    """Pairs of a revision and the number of events before it that were no saves; a pair where that number changed."""
    trashed_at: datetime | None
    transferred_at: datetime | None
    """When it got its present owner; None: it was created for them."""
    folder_id: UUID | None
    tags: list[str]
    shares: dict[UUID, ShareRole]
    """Roles by address."""
    share_users: dict[UUID, UUID]
    """The users to whom shares are bound, by address."""
    version_names: dict[int, str]
    """Names of versions, by revision."""
    team_shares: dict[UUID, TeamShare]
    """The teams that the document is lent to (`lending.py`)."""
    offered_to: UUID | None
    """The address that the document is offered to."""
    offered_team_id: UUID | None
    offered_by: UUID | None
    offered_until: datetime | None

    @classmethod
    def create(
        cls,
        *,
        id: UUID,
        owner_id: UUID,
        title: str,
        content: str,
        now: datetime,
        owner_kind: PartyKind = "user",
        **plain: Any,
    ) -> "Document":
        """Create a draft of a user or a team. `plain`: other fields of `Created`, which no rule concerns.

        Raises:
            UnusableText: the title or the content is not valid.
        """
        title, content = usable_title(title), usable_content(content)
        return cls.start_stream(
            cls.Created,
            id=id,
            tenant=Party(owner_kind, owner_id),
            now=now,
            title=title,
            title_length=len(title),
            content=content,
            content_length=len(content),
            owner_kind=owner_kind,
            owner_id=owner_id,
            **plain,
        )

    @property
    def owner(self) -> Party:
        """The user or team that the document belongs to."""
        return Party(self.owner_kind, self.owner_id)

    def role_of(self, person: Person) -> Role | None:
        """Return the person's role; None: the document does not exist for them, as an erased one for all.

        Roles come from ownership, from shares, and from what share links and the team that owns the document lend.
        """
        if self.erased:
            return None
        if self._is_owner(person):
            return "owner"
        lent = [person.lent[id] for id in (self.id, self.owner_id) if id in person.lent]
        return DOCUMENT.highest([*lent, *(self.shares[address_id] for address_id in self.shares_of(person))])

    def shares_of(self, person: Person) -> list[UUID]:
        """Return the addresses whose shares the person holds: bound to them, or unused and of their address."""
        bound = [address_id for address_id, user_id in self.share_users.items() if user_id == person.user_id]
        unused = self.unused_share_of(person)
        return bound if unused is None else [*bound, unused]

    def unused_share_of(self, person: Person) -> UUID | None:
        """Return the person's address if a share of it is bound to no user yet. An owner uses no share."""
        address_id = person.address_id
        is_unused = address_id in self.shares and address_id not in self.share_users
        return address_id if is_unused and not self._is_owner(person) else None

    def _is_owner(self, person: Person) -> bool:
        return self.owner_kind == "user" and self.owner_id == person.user_id

    def require(self, action: str, person: Person) -> None:
        """Refuse an action (`domain.access.DOCUMENT`) that the person's role is not enough for.

        Raises:
            NotFound: the document does not exist for them.
            RoleTooLow: their role is lower than the action takes.
        """
        DOCUMENT.require(action, self.role_of(person))

    def change(
        self,
        *,
        title: str | None = None,
        content: str | None = None,
        status: Status | None = None,
        by: Person,
        now: datetime,
    ) -> None:
        """Save title, content and status; what is None stays. If they are as before, there is no event.

        Raises:
            NotFound, RoleTooLow: the person may not edit the document.
            UnusableText: the title or the content is not valid.
            DocumentIsTrashed, DocumentIsArchived, NoLongerADraft: the document's state does not allow it.
        """
        self.require_editable(by)
        title = self.title if title is None else usable_title(title)
        content = self.content if content is None else usable_content(content)
        save(self, title, content, status or self.status, now)

    def restore_version(self, earlier: "Document", *, by: Person, now: datetime) -> None:
        """Save the title and the content of `earlier`, the document at an earlier revision. The status stays.

        Raises:
            NotFound, RoleTooLow: the person may not edit the document.
            DocumentIsTrashed, DocumentIsArchived: the document's state does not allow it.
        """
        self.require_editable(by)
        save(self, earlier.title, earlier.content, self.status, now, restored_revision=earlier.revision)

    def version_of(self, revision: int) -> int:
        """Return the version of the stream that a revision made.

        Raises:
            NotFound: the document has no such revision.
        """
        if not 1 <= revision <= self.revision:
            raise NotFound(f"This document has the versions 1 to {self.revision}; name one of them.")
        return revision + next(count for first, count in reversed(self.unsaved) if first <= revision)

    def trash(self, *, by: Person, now: datetime) -> None:
        """Move the document to the trash. An offer of it ends.

        Raises:
            NotFound, RoleTooLow: the person is not the owner.
        """
        self.require("trash", by)
        if self.trashed_at is None:
            self.withdraw_offer(now=now)
            self.trigger_event(self.Trashed, now=now)

    def restore_from_trash(self, *, by: Person, now: datetime) -> None:
        """Take the document out of the trash.

        Raises:
            NotFound, RoleTooLow: the person is not the owner.
        """
        self.require("restore", by)
        if self.trashed_at is not None:
            self.trigger_event(self.RestoredFromTrash, now=now)

    def end_loan(self, team_id: UUID, *, now: datetime) -> None:
        """End the loan to a team, if there is one."""
        if team_id in self.team_shares:
            self.trigger_event(self.TeamShareRevoked, now=now, team_id=team_id)

    def is_offered_to(self, id: UUID, now: datetime) -> bool:
        """Return whether the document is offered to this address or team, and the offer has not expired."""
        is_open = self.offered_until is not None and now < self.offered_until
        return is_open and id in (self.offered_to, self.offered_team_id)

    def withdraw_offer(self, *, now: datetime) -> None:
        """End the offer of the document, if there is one."""
        if self.offered_until is not None:
            self.trigger_event(self.OwnershipOfferWithdrawn, now=now)

    def end_offer(self) -> None:
        """Forget the offer. Only events call this."""
        self.offered_to = self.offered_team_id = self.offered_by = self.offered_until = None

    def require_editable(self, by: Person) -> None:
        """Refuse a change by a person who may not edit the document, or of one in the trash.

        Raises:
            NotFound, RoleTooLow: the person may not edit the document.
            DocumentIsTrashed: it is in the trash.
        """
        self.require("edit", by)
        self.require_untrashed()

    def require_untrashed(self) -> None:
        """Refuse what a document in the trash does not allow. Raises `DocumentIsTrashed`."""
        if self.trashed_at is not None:
            raise refusals.DocumentIsTrashed("This document is in the trash; its owner can restore it.")
