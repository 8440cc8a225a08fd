"""Share links: a document's role for every user who has the link, for as long as the link lives.

The links of a document are one aggregate: its stream is short, and no use of a link changes it. Who came by a link is
in a stream for each person, `domain/content/link_guest.py`. See `domain/decisions/0008-share-links.md`.
"""

import hmac
from collections.abc import Iterable
from datetime import datetime
from typing import TypedDict
from uuid import UUID, uuid5

from domain.access import DOCUMENT, Person, require_verified
from domain.content import refusals
from domain.content.document import Document
from domain.content.roles import ShareRole
from domain.kernel import FirstEvent, Personal, Root

MAX_LINKS = 50


class ShareLink(TypedDict):
    """A link. `digest`: of its token (SHA-256, hexadecimal); `password_hash`: None without a password."""

    role: ShareRole
    digest: str
    password_hash: str | None
    expires_at: datetime | None


class ShareLinks(Root):
    """The share links of one document. A revoked link is gone; an expired one stays until it is revoked."""

    TOPIC = "share_links"

    class Started(FirstEvent):
        TOPIC = "share_links.started"
        document_id: UUID

        def apply(self, aggregate: "ShareLinks") -> None:
            self.assign(aggregate)
            aggregate.links = {}

    class Created(Root.Event):
        """A link was created. Its token is stored nowhere; the hash is sealed although it is no data of a person."""

        TOPIC = "share_links.created"
        link_id: UUID
        document_id: UUID
        role: ShareRole
        token_digest: str
        has_password: bool
        password_hash: Personal[str | None] = None
        expires_at: datetime | None = None

        def apply(self, aggregate: "ShareLinks") -> None:
            aggregate.links[self.link_id] = {
                "role": self.role,
                "digest": self.token_digest,
                "password_hash": self.password_hash,
                "expires_at": self.expires_at,
            }

    class Revoked(Root.Event):
        TOPIC = "share_links.revoked"
        revokes = ("share_link",)
        link_id: UUID

        def apply(self, aggregate: "ShareLinks") -> None:
            aggregate.links.pop(self.link_id, None)

    class Erased(Root.Event):
        TOPIC = "share_links.erased"
        revokes = ("share_link",)
        erases = True

        def apply(self, aggregate: "ShareLinks") -> None:
            aggregate.erased = True

    document_id: UUID
    links: dict[UUID, ShareLink]

    @staticmethod
    def id_of(document_id: UUID) -> UUID:
        """Return the id of a document's links."""
        return uuid5(document_id, "share_links")

    @classmethod
    def start(cls, document: Document, *, now: datetime) -> "ShareLinks":
        """Start the links of a document, which has none yet."""
        id = cls.id_of(document.id)
        return cls.start_stream(cls.Started, id=id, tenant=document.tenant, now=now, document_id=document.id)

    def create(
        self,
        document: Document,
        *,
        link_id: UUID,
        role: ShareRole,
        token_digest: str,
        password_hash: str | None,
        expires_at: datetime | None,
        by: Person,
        now: datetime,
    ) -> None:
        """Create a link to the document.

        Raises:
            NotFound, RoleTooLow: the person is not the owner.
            AddressNotVerified: their own address is not verified.
            DocumentIsTrashed, ExpiresInThePast, TooManyLinks: a rule forbids it.
        """
        document.require("share", by)
        require_verified(by)
        document.require_untrashed()
        if expires_at is not None and expires_at <= now:
            raise refusals.ExpiresInThePast("This time is over; choose a later one, or none.")
        if len(self.links) >= MAX_LINKS:
            raise refusals.TooManyLinks(f"A document has at most {MAX_LINKS} links; revoke one first.")
        self.trigger_event(
            self.Created,
            now=now,
            link_id=link_id,
            document_id=document.id,
            role=role,
            token_digest=token_digest,
            has_password=password_hash is not None,
            password_hash=password_hash,
            expires_at=expires_at,
        )

    def revoke(self, document: Document, link_id: UUID, *, by: Person, now: datetime) -> None:
        """Revoke a link: it takes the role from all who came by it. Allowed in the trash, too.

        Raises:
            NotFound, RoleTooLow: the person is not the owner.
        """
        document.require("share", by)
        if link_id in self.links:
            self.trigger_event(self.Revoked, now=now, link_id=link_id)

    def find(self, token_digest: str, now: datetime) -> UUID | None:
        """Return the live link that has this token; None: no link has it, or the link is over."""
        for link_id, link in self.links.items():
            if hmac.compare_digest(link["digest"], token_digest) and self.lives(link_id, now):
                return link_id
        return None

    def lives(self, link_id: UUID, now: datetime) -> bool:
        """Return whether the link gives its role now."""
        link = self.links.get(link_id)
        return not self.erased and link is not None and (link["expires_at"] is None or now < link["expires_at"])

    def role_by(self, link_ids: Iterable[UUID], now: datetime) -> ShareRole | None:
        """Return the highest role that these links give now; None: none of them lives."""
        return DOCUMENT.highest(self.links[id]["role"] for id in link_ids if self.lives(id, now))

    def erase(self, *, now: datetime) -> None:
        """Erase the links with their document. A second erasure causes no event."""
        if self.erased:
            return
        for link_id in [*self.links]:
            self.trigger_event(self.Revoked, now=now, link_id=link_id)
        self.trigger_event(self.Erased, now=now)
