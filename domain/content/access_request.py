"""Access requests: a user asks for a role on a document, and a person who may share it answers.

Each user has one stream for each document id, whether there is such a document or not: so asking tells nothing about
it. See `domain/decisions/0011-requests-tell-nothing.md`.
"""

from datetime import datetime
from typing import Literal
from uuid import UUID, uuid5

from domain.access import Person, require_verified
from domain.content import refusals, sharing
from domain.content.document import Document
from domain.content.roles import ShareRole
from domain.kernel import AboutUser, FirstEvent, Party, Root
from domain.requests import require_may_ask_again
from domain.text import usable_message

RequestState = Literal["open", "accepted", "declined", "withdrawn"]


class AccessRequest(Root):
    """What one user asks for on one document. The message is in the events alone."""

    TOPIC = "access_request"
    snapshot_version = 2

    class Asked(FirstEvent):
        TOPIC = "access_request.asked"
        document_id: UUID
        user_id: UUID
        role: ShareRole
        message: AboutUser[str | None] = None

        def apply(self, aggregate: "AccessRequest") -> None:
            aggregate.document_id = self.document_id
            aggregate.user_id = self.user_id
            aggregate.role = self.role
            aggregate.state = "open"
            aggregate.answered_at = None

    class AskedAgain(Root.Event):
        """The user asked for another role or with another message, or once more after an answer."""

        TOPIC = "access_request.asked_again"
        document_id: UUID
        user_id: UUID
        role: ShareRole
        message: AboutUser[str | None] = None

        def apply(self, aggregate: "AccessRequest") -> None:
            aggregate.role = self.role
            aggregate.state = "open"
            aggregate.answered_at = None

    class Withdrawn(Root.Event):
        TOPIC = "access_request.withdrawn"

        def apply(self, aggregate: "AccessRequest") -> None:
            aggregate.state = "withdrawn"

    class Accepted(Root.Event):
        """The request was accepted, perhaps with another role. The document has the share."""

        TOPIC = "access_request.granted"
        document_id: UUID
        user_id: UUID
        role: ShareRole
        answered_by: UUID

        def apply(self, aggregate: "AccessRequest") -> None:
            aggregate.state = "accepted"
            aggregate.answered_at = self.timestamp

    class Declined(Root.Event):
        TOPIC = "access_request.refused"
        document_id: UUID
        user_id: UUID
        answered_by: UUID

        def apply(self, aggregate: "AccessRequest") -> None:
            aggregate.state = "declined"
            aggregate.answered_at = self.timestamp

    document_id: UUID
    user_id: UUID
    role: ShareRole
    state: RequestState
    answered_at: datetime | None

    @staticmethod
    def id_of(document_id: UUID, user_id: UUID) -> UUID:
        """Return the id of a user's request for a document: there is at most one."""
        return uuid5(document_id, f"access_request {user_id}")

    @classmethod
    def ask(
        cls, *, document_id: UUID, role: ShareRole, message: str | None, by: Person, now: datetime
    ) -> "AccessRequest":
        """Ask for the first time.

        Raises:
            AddressNotVerified: the person's address is not verified.
            UnusableText: the message is not valid.
        """
        require_verified(by)
        return cls.start_stream(
            cls.Asked,
            id=cls.id_of(document_id, by.user_id),
            tenant=Party("user", by.user_id),
            now=now,
            document_id=document_id,
            user_id=by.user_id,
            role=role,
            message=usable_message(message),
        )

    def ask_again(self, *, role: ShareRole, message: str | None, by: Person, now: datetime) -> None:
        """Ask for another role, or once more. An open request for the same role without a message causes no event.

        Raises:
            AddressNotVerified: the person's address is not verified.
            UnusableText: the message is not valid.
            DeclinedRecently: the last request was declined a short time ago.
        """
        require_verified(by)
        message = usable_message(message)
        require_may_ask_again(self.state, self.answered_at, now)
        if self.state == "open" and self.role == role and message is None:
            return
        self.trigger_event(
            self.AskedAgain, now=now, document_id=self.document_id, user_id=self.user_id, role=role, message=message
        )

    def withdraw(self, *, now: datetime) -> None:
        """Withdraw the request. One that is not open causes no event."""
        if self.state == "open":
            self.trigger_event(self.Withdrawn, now=now)

    def accept(
        self,
        document: Document,
        *,
        address_id: UUID,
        email: str,
        role: ShareRole | None,
        by: Person,
        now: datetime,
    ) -> None:
        """Share the document with the user who asks; `role`: None is the one that they ask for.

        `address_id`, `email`: the user's verified address. A second time there is no event, as long as they hold the
        share.

        Raises:
            NotFound, RoleTooLow: the person may not share the document.
            AddressNotVerified: their own address is not verified.
            NoSuchAccessRequest: the request is not open; the share of one that was accepted may be revoked.
            DocumentIsTrashed, SharedWithOneself, AddressIsBound, TooManyShares: a rule forbids the share.
        """
        document.require("share", by)
        if self.state == "accepted" and self.user_id in document.share_users.values():
            return
        self._require_open()
        role = role or self.role
        sharing.give(document, user_id=self.user_id, address_id=address_id, email=email, role=role, by=by, now=now)
        self.trigger_event(
            self.Accepted,
            now=now,
            document_id=self.document_id,
            user_id=self.user_id,
            role=role,
            answered_by=by.user_id,
        )

    def decline(self, document: Document, *, by: Person, now: datetime) -> None:
        """Decline the request. Allowed in the trash, too. A second time there is no event.

        Raises:
            NotFound, RoleTooLow: the person may not share the document.
            NoSuchAccessRequest: the request is not open.
        """
        document.require("share", by)
        if self.state == "declined":
            return
        self._require_open()
        self.trigger_event(
            self.Declined, now=now, document_id=self.document_id, user_id=self.user_id, answered_by=by.user_id
        )

    def _require_open(self) -> None:
        if self.state != "open":
            raise refusals.NoSuchAccessRequest("That user does not ask for access, or not any more.")
