"""Legal holds: what a court or an authority wants kept is not erased until the hold is lifted.

A hold takes two people to be placed, and two to be lifted: one asks, another one confirms. Its reason and their names
are sealed with a key of its own, which ends with what was held.
"""

import unicodedata
from datetime import datetime
from typing import Literal
from uuid import UUID

from domain.kernel import FirstEvent, Party, Personal, Root
from domain.privacy.erasure_record import SubjectKind
from domain.privacy.refusals import HoldIsNotWaiting, SameOperator
from domain.text import single_line

REASON_LENGTH = 500
OPERATOR_LENGTH = 100

HoldState = Literal["asked", "declined", "placed", "lifting_asked", "lifted"]


class LegalHold(Root):
    """A reason to keep a subject, and who said so."""

    TOPIC = "legal_hold"

    class Asked(FirstEvent):
        TOPIC = "legal_hold.asked"
        subject_kind: SubjectKind
        subject_id: UUID
        reason: Personal[str]
        asked_by: Personal[str]

        def apply(self, aggregate: "LegalHold") -> None:
            self.assign(aggregate)
            aggregate.state = "asked"
            aggregate.asked_at = self.timestamp

    class Placed(Root.Event):
        TOPIC = "legal_hold.placed"
        confirmed_by: Personal[str]

        def apply(self, aggregate: "LegalHold") -> None:
            aggregate.state = "placed"

    class Declined(Root.Event):
        TOPIC = "legal_hold.declined"
        declined_by: Personal[str]

        def apply(self, aggregate: "LegalHold") -> None:
            aggregate.state = "declined"

    class LiftingAsked(Root.Event):
        TOPIC = "legal_hold.lifting_asked"
        asked_by: Personal[str]

        def apply(self, aggregate: "LegalHold") -> None:
            aggregate.state = "lifting_asked"
            aggregate.asked_by = self.asked_by

    class LiftingDeclined(Root.Event):
        TOPIC = "legal_hold.lifting_declined"
        declined_by: Personal[str]

        def apply(self, aggregate: "LegalHold") -> None:
            aggregate.state = "placed"

    class Lifted(Root.Event):
        TOPIC = "legal_hold.lifted"
        confirmed_by: Personal[str]

        def apply(self, aggregate: "LegalHold") -> None:
            aggregate.state = "lifted"

    class Erased(Root.Event):
        TOPIC = "legal_hold.erased"
        erases = True

        def apply(self, aggregate: "LegalHold") -> None:
            aggregate.erased = True

    subject_kind: SubjectKind
    subject_id: UUID
    reason: str
    asked_by: str
    """Who asked last: for the hold, or for its end."""
    asked_at: datetime
    state: HoldState

    @classmethod
    def ask(cls, kind: SubjectKind, subject_id: UUID, *, id: UUID, reason: str, by: str, now: datetime) -> "LegalHold":
        """Ask for a hold. It keeps nothing until another person has confirmed it.

        Raises:
            UnusableText: the reason or the name is none.
        """
        return cls.start_stream(
            cls.Asked,
            id=id,
            tenant=Party("team" if kind == "team" else "user", subject_id),
            now=now,
            subject_kind=kind,
            subject_id=subject_id,
            reason=single_line(reason, "A reason", REASON_LENGTH),
            asked_by=operator_name(by),
        )

    def confirm(self, *, by: str, now: datetime) -> None:
        """Confirm what was asked for: the hold, or its end.

        Raises:
            HoldIsNotWaiting: nothing was asked for.
            SameOperator: it is the person who asked.
            UnusableText: the name is none.
        """
        by = operator_name(by)
        self._require("asked", "lifting_asked")
        if _compared(by) == _compared(self.asked_by):
            raise SameOperator("You have asked for this yourself: another person must confirm it.")
        event = self.Placed if self.state == "asked" else self.Lifted
        self.trigger_event(event, now=now, confirmed_by=by)

    def decline(self, *, by: str, now: datetime) -> None:
        """Decline what was asked for; the person who asked may do so, too.

        Raises:
            HoldIsNotWaiting: nothing was asked for.
            UnusableText: the name is none.
        """
        self._require("asked", "lifting_asked")
        event = self.Declined if self.state == "asked" else self.LiftingDeclined
        self.trigger_event(event, now=now, declined_by=operator_name(by))

    def ask_for_lifting(self, *, by: str, now: datetime) -> None:
        """Ask for the end of the hold. It stays in force until another person has confirmed that.

        Raises:
            HoldIsNotWaiting: it is not in force, or its end was asked for already.
            UnusableText: the name is none.
        """
        self._require("placed")
        self.trigger_event(self.LiftingAsked, now=now, asked_by=operator_name(by))

    def erase(self, *, now: datetime) -> None:
        """Erase the reason and the names, with what was held. A second erasure causes no event."""
        if not self.erased:
            self.trigger_event(self.Erased, now=now)

    def _require(self, *states: HoldState) -> None:
        if self.erased or self.state not in states:
            state = "erased" if self.erased else self.state.replace("_", " ")
            raise HoldIsNotWaiting(f"This hold is {state}: it waits for nothing of this kind.")


def operator_name(value: str) -> str:
    """Return the name of an operator in the form to store.

    Raises:
        UnusableText: it is none.
    """
    return single_line(value, "The name of a person", OPERATOR_LENGTH)


def _compared(name: str) -> str:
    """The form in which names are compared: without regard to case, form and spaces."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())
