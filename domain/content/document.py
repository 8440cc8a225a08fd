"""Documents: texts with a history, which their owner shares by email address.

Roles and their actions are in `domain/access.py`. A draft is published or archived; an archived document is read-only
until it is published again. The trash is independent of the status: a document in the trash can only be restored, and
its shares revoked.
"""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from domain.access import DOCUMENT, Person
from domain.content import delta
from domain.content.delta import Delta
from domain.kernel import AboutAddress, Conflict, FirstEvent, Invalid, NotFound, Party, Personal, Root
from domain.text import email_address, multi_line, single_line

Status = Literal["draft", "published", "archived"]
ShareRole = Literal["editor", "commenter", "viewer"]
Role = Literal["owner", "editor", "commenter", "viewer"]

TITLE_LENGTH = 300
CONTENT_LENGTH = 1_000_000
MAX_SHARES = 1_000


class DocumentIsTrashed(Conflict):
    """The document is in the trash."""


class DocumentIsArchived(Conflict):
    """The document is archived and so read-only."""


class NoLongerADraft(Conflict):
    """A published or archived document does not become a draft again."""


class SharedWithOneself(Invalid):
    """The owner gave their own address."""


class TooManyShares(Conflict):
    """The document has the maximum number of shares."""


class NoSuchShare(NotFound):
    """The document is not shared with that address."""


class Document(Root):
    """A text, its status, and the roles of people on it."""

    TOPIC = "document"

    class Created(FirstEvent):
        TOPIC = "document.created"
        title: Personal[str]
        content: Personal[str]
        owner_id: UUID

        def apply(self, aggregate: "Document") -> None:
            self.assign(aggregate)
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

    class Erased(Root.Event):
        TOPIC = "document.erased"
        revokes = ("document", "document_version")
        erases = True

        def apply(self, aggregate: "Document") -> None:
            aggregate.erased = True

    title: str
    content: str
    owner_id: UUID
    status: Status
    trashed_at: datetime | None
    shares: dict[UUID, ShareRole]

    @classmethod
    def create(cls, *, id: UUID, owner_id: UUID, title: str, content: str, now: datetime, **plain: Any) -> "Document":
        """Create a draft. `plain`: other fields of `Created`, which no rule concerns.

        Raises:
            UnusableText: the title or the content is not valid.
        """
        title, content = usable_title(title), usable_content(content)
        return cls.start_stream(
            cls.Created,
            id=id,
            tenant=Party("user", owner_id),
            now=now,
            title=title,
            content=content,
            owner_id=owner_id,
            **plain,
        )

    def role_of(self, person: Person) -> Role | None:
        """Return the person's role; None: the document does not exist for them, as an erased one for all."""
        if self.erased:
            return None
        if person.user_id == self.owner_id:
            return "owner"
        return None if person.address_id is None else self.shares.get(person.address_id)

    def require(self, action: str, person: Person) -> None:
        """Refuse an action (`domain.access.DOCUMENT`) that the person's role is not enough for.

        Raises:
            NotFound: the document does not exist for them.
            RoleTooLow: their role is lower than the action takes.
        """
        DOCUMENT.require(action, self.role_of(person))

    def change(self, *, title: str, content: str, status: Status, by: Person, now: datetime) -> None:
        """Set title, content and status. Only differences cause events.

        Raises:
            NotFound, RoleTooLow: the person may not edit the document.
            UnusableText: the title or the content is not valid.
            DocumentIsTrashed, DocumentIsArchived, NoLongerADraft: the document's state does not allow it.
        """
        self.require("edit", by)
        self._require_untrashed()
        title, content = usable_title(title), usable_content(content)
        # Texts change while the document is not archived: after it leaves the archive, before it enters it.
        if status != "archived":
            self._become(status, now)
        self._rewrite(title, content, now)
        self._become(status, now)

    def restore_version(self, earlier: "Document", *, by: Person, now: datetime) -> None:
        """Set title and content to those of `earlier`, the document at an earlier version. The status stays.

        Raises:
            NotFound, RoleTooLow: the person may not edit the document.
            DocumentIsTrashed, DocumentIsArchived: the document's state does not allow it.
        """
        self.require("edit", by)
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
        """Move the document to the trash.

        Raises:
            NotFound, RoleTooLow: the person is not the owner.
        """
        self.require("trash", by)
        if self.trashed_at is None:
            self.trigger_event(self.Trashed, now=now)

    def restore_from_trash(self, *, by: Person, now: datetime) -> None:
        """Take the document out of the trash.

        Raises:
            NotFound, RoleTooLow: the person is not the owner.
        """
        self.require("restore", by)
        if self.trashed_at is not None:
            self.trigger_event(self.RestoredFromTrash, now=now)

    def share(self, *, address_id: UUID, email: str, role: ShareRole, by: Person, now: datetime) -> None:
        """Give a role to the holder of an email address, who may register later.

        Raises:
            NotFound, RoleTooLow: the person is not the owner.
            UnusableEmail: the text is not an address.
            DocumentIsTrashed, SharedWithOneself, TooManyShares: a rule forbids it.
        """
        self.require("share", by)
        self._require_untrashed()
        email = email_address(email)
        if address_id == by.address_id:
            raise SharedWithOneself("You own this document; share it with another address.")
        if address_id in self.shares:
            self._change_share(address_id, role, now)
            return
        if len(self.shares) >= MAX_SHARES:
            raise TooManyShares(f"A document has at most {MAX_SHARES} shares; revoke one first.")
        self.trigger_event(self.Shared, now=now, address_id=address_id, email=email, role=role)

    def change_share(self, *, address_id: UUID, role: ShareRole, by: Person, now: datetime) -> None:
        """Change the role of an address that the document is shared with.

        Raises:
            NotFound, RoleTooLow: the person is not the owner.
            NoSuchShare: the document is not shared with the address.
            DocumentIsTrashed: the document is in the trash.
        """
        self.require("share", by)
        self._require_untrashed()
        if address_id not in self.shares:
            raise NoSuchShare("This document is not shared with that address; share it first.")
        self._change_share(address_id, role, now)

    def revoke_share(self, *, address_id: UUID, by: Person, now: datetime) -> None:
        """Take the role of an address away. Allowed in the trash, too.

        Raises:
            NotFound, RoleTooLow: the person is not the owner.
        """
        self.require("share", by)
        if address_id in self.shares:
            self.trigger_event(self.ShareRevoked, now=now, address_id=address_id)

    def is_owned_by(self, id: UUID) -> bool:
        """Return whether the user or team owns the document."""
        return self.owner_id == id

    def erase(self, *, now: datetime) -> None:
        """Revoke all shares and erase the document. A second erasure causes no event."""
        if not self.erased:
            for address_id in [*self.shares]:
                self.forget_address(address_id, now=now)
            self.trigger_event(self.Erased, now=now)

    def forget_address(self, address_id: UUID, *, now: datetime) -> None:
        """Revoke the share of an address that is being erased, whatever the document's state."""
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
            raise DocumentIsArchived("This document is archived and read-only; publish it first.")


def usable_title(title: str) -> str:
    """Return the title in the form to store.

    Raises:
        UnusableText: see `domain.text.single_line`.
    """
    return single_line(title, "A title", TITLE_LENGTH)


def usable_content(content: str) -> str:
    """Return the content in the form to store.

    Raises:
        UnusableText: see `domain.text.multi_line`.
    """
    return multi_line(content, "A content", CONTENT_LENGTH)
