"""Documents are texts with a history, which their owner shares by email address.

Roles, each including the ones after it: the owner shares and trashes, an editor changes title, content and status, a
commenter and a viewer read. A draft is published or archived; what is archived is read-only until it is published
again. Trash is apart from the status: nothing but the owner's restoring and withdrawing of shares happens there.
"""

from datetime import datetime
from typing import Literal
from uuid import UUID

from domain.access import Person, RoleTooLow
from domain.content import delta
from domain.content.delta import Delta
from domain.kernel import AboutAddress, Conflict, FirstEvent, Invalid, NotFound, Personal, Root
from domain.text import email_address, multi_line, single_line

Status = Literal["draft", "published", "archived"]
ShareRole = Literal["editor", "commenter", "viewer"]
Role = Literal["owner", "editor", "commenter", "viewer"]

TITLE_LENGTH = 300
CONTENT_LENGTH = 1_000_000
MOST_SHARES = 1_000

_RANK: dict[Role, int] = {"owner": 4, "editor": 3, "commenter": 2, "viewer": 1}


class DocumentIsTrashed(Conflict):
    """The document is in the trash."""


class DocumentIsArchived(Conflict):
    """The document is archived, hence read-only."""


class NoLongerADraft(Conflict):
    """A document that left the draft status does not go back."""


class SharedWithOneself(Invalid):
    """The owner named their own address."""


class TooManyShares(Conflict):
    """The document is shared with as many addresses as it may be."""


class NoSuchShare(NotFound):
    """The document is not shared with that address."""


class Document(Root):
    """A text, its status, and who may do what with it."""

    TOPIC = "document"

    class Created(FirstEvent):
        TOPIC = "document.created"
        title: Personal[str]
        content: Personal[str]
        owner_id: UUID

        def apply(self, aggregate: "Document") -> None:
            aggregate.title = self.title
            aggregate.content = self.content
            aggregate.owner_id = self.owner_id
            aggregate.status = "draft"
            aggregate.trashed_at = None
            aggregate.shares = {}

    class Retitled(Root.Event):
        TOPIC = "document.retitled"
        title: Personal[str]

        def apply(self, aggregate: "Document") -> None:
            aggregate.title = self.title

    class Edited(Root.Event):
        TOPIC = "document.edited"
        delta: Personal[Delta]

        def apply(self, aggregate: "Document") -> None:
            aggregate.content = delta.apply(aggregate.content, self.delta)

    class Published(Root.Event):
        TOPIC = "document.published"

        def apply(self, aggregate: "Document") -> None:
            aggregate.status = "published"

    class Archived(Root.Event):
        TOPIC = "document.archived"

        def apply(self, aggregate: "Document") -> None:
            aggregate.status = "archived"

    class Trashed(Root.Event):
        TOPIC = "document.trashed"
        revokes = ("document",)

        def apply(self, aggregate: "Document") -> None:
            aggregate.trashed_at = self.timestamp

    class RestoredFromTrash(Root.Event):
        TOPIC = "document.restored_from_trash"

        def apply(self, aggregate: "Document") -> None:
            aggregate.trashed_at = None

    class RestoredToVersion(Root.Event):
        TOPIC = "document.restored_to_version"
        restored_version: int
        title: Personal[str]
        delta: Personal[Delta]

        def apply(self, aggregate: "Document") -> None:
            aggregate.title = self.title
            aggregate.content = delta.apply(aggregate.content, self.delta)

    class Shared(Root.Event):
        TOPIC = "document.shared"
        address_id: UUID
        email: AboutAddress[str]
        role: ShareRole

        def apply(self, aggregate: "Document") -> None:
            aggregate.shares[self.address_id] = self.role

    class ShareChanged(Root.Event):
        TOPIC = "document.share_changed"
        revokes = ("document_access",)
        address_id: UUID
        role: ShareRole

        def apply(self, aggregate: "Document") -> None:
            aggregate.shares[self.address_id] = self.role

    class ShareRevoked(Root.Event):
        TOPIC = "document.share_revoked"
        revokes = ("document_access",)
        address_id: UUID

        def apply(self, aggregate: "Document") -> None:
            aggregate.shares.pop(self.address_id, None)

    title: str
    content: str
    owner_id: UUID
    status: Status
    trashed_at: datetime | None
    shares: dict[UUID, ShareRole]

    @classmethod
    def create(cls, *, id: UUID, owner_id: UUID, title: str, content: str, now: datetime) -> "Document":
        """A draft.

        Raises:
            UnusableText: the title or the content will not do.
        """
        title, content = usable_title(title), usable_content(content)
        return cls.begin(cls.Created, id=id, now=now, title=title, content=content, owner_id=owner_id)

    def role_of(self, person: Person) -> Role | None:
        """What the person is to this document; None: nothing, it does not exist for them."""
        if person.user_id == self.owner_id:
            return "owner"
        return None if person.address_id is None else self.shares.get(person.address_id)

    def require(self, least: Role, person: Person) -> None:
        """Let the person pass if their role is `least` or a higher one.

        Raises:
            NotFound: the document does not exist for them.
            RoleTooLow: their role is a lower one.
        """
        role = self.role_of(person)
        if role is None:
            raise NotFound("There is no such document.")
        if _RANK[role] < _RANK[least]:
            raise RoleTooLow(f"This takes the role {least}, and yours is {role}; ask the owner.")

    def change(self, *, title: str, content: str, status: Status, by: Person, now: datetime) -> None:
        """Make title, content and status what is given; only what differs is news.

        Raises:
            NotFound, RoleTooLow: it takes an editor.
            UnusableText: the title or the content will not do.
            DocumentIsTrashed, DocumentIsArchived, NoLongerADraft: the document is not in a state for this.
        """
        self.require("editor", by)
        self._require_untrashed()
        title, content = usable_title(title), usable_content(content)
        # Texts change while they may: after a publication out of the archive, before the way into it.
        if status != "archived":
            self._become(status, now)
        self._rewrite(title, content, now)
        self._become(status, now)

    def restore_version(self, earlier: "Document", *, by: Person, now: datetime) -> None:
        """Give the document the title and the content that it had as `earlier`; the status stays.

        Raises:
            NotFound, RoleTooLow: it takes an editor.
            DocumentIsTrashed, DocumentIsArchived: the document is not in a state for this.
        """
        self.require("editor", by)
        self._require_untrashed()
        if (earlier.title, earlier.content) == (self.title, self.content):
            return
        self._require_unarchived()
        self.trigger_event(
            self.RestoredToVersion,
            now=now,
            restored_version=earlier.version,
            title=earlier.title,
            delta=delta.make(self.content, earlier.content),
        )

    def trash(self, *, by: Person, now: datetime) -> None:
        """Put the document into the trash.

        Raises:
            NotFound, RoleTooLow: it takes the owner.
        """
        self.require("owner", by)
        if self.trashed_at is None:
            self.trigger_event(self.Trashed, now=now)

    def restore_from_trash(self, *, by: Person, now: datetime) -> None:
        """Take the document out of the trash.

        Raises:
            NotFound, RoleTooLow: it takes the owner.
        """
        self.require("owner", by)
        if self.trashed_at is not None:
            self.trigger_event(self.RestoredFromTrash, now=now)

    def share(self, *, address_id: UUID, email: str, role: ShareRole, by: Person, now: datetime) -> None:
        """Give the holder of an email address a role, who need not be a user yet.

        Raises:
            NotFound, RoleTooLow: it takes the owner.
            UnusableEmail: that is no address.
            DocumentIsTrashed, SharedWithOneself, TooManyShares: the rules are against it.
        """
        self.require("owner", by)
        self._require_untrashed()
        email = email_address(email)
        if address_id == by.address_id:
            raise SharedWithOneself("You own this document; share it with somebody else's address.")
        if address_id in self.shares:
            self._change_share(address_id, role, now)
            return
        if len(self.shares) >= MOST_SHARES:
            raise TooManyShares(f"A document has at most {MOST_SHARES} shares; revoke one first.")
        self.trigger_event(self.Shared, now=now, address_id=address_id, email=email, role=role)

    def change_share(self, *, address_id: UUID, role: ShareRole, by: Person, now: datetime) -> None:
        """Give somebody another role.

        Raises:
            NotFound, RoleTooLow: it takes the owner.
            NoSuchShare: they have none.
            DocumentIsTrashed: the document is in the trash.
        """
        self.require("owner", by)
        self._require_untrashed()
        if address_id not in self.shares:
            raise NoSuchShare("This document is not shared with that address; share it first.")
        self._change_share(address_id, role, now)

    def revoke_share(self, *, address_id: UUID, by: Person, now: datetime) -> None:
        """Take somebody's role away, also in the trash.

        Raises:
            NotFound, RoleTooLow: it takes the owner.
        """
        self.require("owner", by)
        if address_id in self.shares:
            self.trigger_event(self.ShareRevoked, now=now, address_id=address_id)

    def _become(self, status: Status, now: datetime) -> None:
        if status == self.status:
            return
        if status == "draft":
            raise NoLongerADraft(f"This document is {self.status}; it may be published or archived.")
        self.trigger_event(self.Published if status == "published" else self.Archived, now=now)

    def _rewrite(self, title: str, content: str, now: datetime) -> None:
        if (title, content) != (self.title, self.content):
            self._require_unarchived()
        if title != self.title:
            self.trigger_event(self.Retitled, now=now, title=title)
        if content != self.content:
            self.trigger_event(self.Edited, now=now, delta=delta.make(self.content, content))

    def _change_share(self, address_id: UUID, role: ShareRole, now: datetime) -> None:
        if self.shares[address_id] != role:
            self.trigger_event(self.ShareChanged, now=now, address_id=address_id, role=role)

    def _require_untrashed(self) -> None:
        if self.trashed_at is not None:
            raise DocumentIsTrashed("This document is in the trash; its owner can restore it.")

    def _require_unarchived(self) -> None:
        if self.status == "archived":
            raise DocumentIsArchived("This document is archived, hence read-only; publish it first.")


def usable_title(title: str) -> str:
    """A title as it is kept.

    Raises:
        UnusableText: as `domain.text.single_line`.
    """
    return single_line(title, "A title", TITLE_LENGTH)


def usable_content(content: str) -> str:
    """A content as it is kept.

    Raises:
        UnusableText: as `domain.text.multi_line`.
    """
    return multi_line(content, "A content", CONTENT_LENGTH)
