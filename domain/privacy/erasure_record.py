"""Records of what may be erased and what was: one for each user, team and address of which something is known.

Each erasure is judged by the version of the record, in the append that erases. So of a hold and an erasure that come at
the same time, the one that is stored first counts. See `application/privacy/decisions/0002-legal-holds.md`.
"""

from datetime import datetime
from typing import Literal
from uuid import UUID, uuid5

from domain.kernel import FirstEvent, Party, Root
from domain.privacy.refusals import ErasureIsHeld

SubjectKind = Literal["user", "team", "address"]
"""What can be held. A document is held by a hold on its owner."""


class ErasureRecord(Root):
    """The legal holds on a subject. It has no words of people: those are in the holds themselves."""

    TOPIC = "erasure_record"

    class Opened(FirstEvent):
        TOPIC = "erasure_record.opened"
        subject_kind: SubjectKind
        subject_id: UUID

        def apply(self, aggregate: "ErasureRecord") -> None:
            self.assign(aggregate)
            aggregate.asked_holds = set()
            aggregate.holds = set()

    class HoldAsked(Root.Event):
        TOPIC = "erasure_record.hold_asked"
        hold_id: UUID

        def apply(self, aggregate: "ErasureRecord") -> None:
            aggregate.asked_holds.add(self.hold_id)

    class HoldPlaced(Root.Event):
        TOPIC = "erasure_record.hold_placed"
        hold_id: UUID

        def apply(self, aggregate: "ErasureRecord") -> None:
            aggregate.holds.add(self.hold_id)

    class HoldLifted(Root.Event):
        TOPIC = "erasure_record.hold_lifted"
        hold_id: UUID

        def apply(self, aggregate: "ErasureRecord") -> None:
            aggregate.holds.discard(self.hold_id)

    subject_kind: SubjectKind
    subject_id: UUID
    asked_holds: set[UUID]
    """All holds that were ever asked for."""
    holds: set[UUID]
    """The holds that are in force."""

    @staticmethod
    def id_of(subject_id: UUID) -> UUID:
        """Return the id of a subject's record: there is at most one."""
        return uuid5(subject_id, "erasure_record")

    @classmethod
    def open(cls, kind: SubjectKind, subject_id: UUID, *, now: datetime) -> "ErasureRecord":
        """Open the record of a subject. An address belongs to no user or team, so it is its own tenant."""
        tenant = Party("team" if kind == "team" else "user", subject_id)
        id = cls.id_of(subject_id)
        return cls.start_stream(cls.Opened, id=id, tenant=tenant, now=now, subject_kind=kind, subject_id=subject_id)

    def note_request(self, hold_id: UUID, *, now: datetime) -> None:
        """Note a hold that was asked for. A second time causes no event."""
        if hold_id not in self.asked_holds:
            self.trigger_event(self.HoldAsked, now=now, hold_id=hold_id)

    def place(self, hold_id: UUID, *, now: datetime) -> None:
        """Put a hold in force. A second time causes no event."""
        if hold_id not in self.holds:
            self.trigger_event(self.HoldPlaced, now=now, hold_id=hold_id)

    def lift(self, hold_id: UUID, *, now: datetime) -> None:
        """End a hold. A second time causes no event."""
        if hold_id in self.holds:
            self.trigger_event(self.HoldLifted, now=now, hold_id=hold_id)

    @property
    def held(self) -> bool:
        """Whether at least one hold is in force."""
        return bool(self.holds)

    def require_not_held(self) -> None:
        """Refuse an erasure while a hold is in force.

        Raises:
            ErasureIsHeld: one is.
        """
        if self.held:
            raise ErasureIsHeld(
                f"The law requires that this {self.subject_kind} is kept for now. What was asked for is done once that "
                "has ended; nothing more is needed from you."
            )
