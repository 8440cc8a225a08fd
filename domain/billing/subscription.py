"""Subscriptions: plans and quotas of payers. The free plan allows five documents a calendar month (UTC).

Creating a document uses quota in the same append, so that parallel creations cannot exceed it. Consequences:

- Trashing a document returns no quota: otherwise trash and restore would get around the limit. `release` is for a
  creation that is undone because it never took effect, and for a document that counts for its new owner.
- A plan without a limit records nothing here: there is nothing to decide, and every creation by a busy user would
  wait for the one before it.
- Cancelling ends a paid plan at once; the free plan remains.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Literal
from uuid import UUID, uuid5

from domain.kernel import Conflict, FirstEvent, Party, PartyKind, Root

Plan = Literal["free", "pro", "enterprise"]
Status = Literal["active", "cancelled"]

MONTHLY_DOCUMENTS: dict[Plan, int] = {"free": 5}
"""Documents a month by plan; a plan that is not listed has no limit."""


HISTORY: dict[Plan, timedelta] = {"free": timedelta(days=30), "pro": timedelta(days=365)}
"""How far back the versions of a payer's documents are shown; a plan that is not listed shows all."""


def history_of(plan: Plan | None) -> timedelta | None:
    """Return how far back versions are shown; None: all are. A payer without a subscription has the free plan."""
    return HISTORY.get(plan or "free")


class QuotaExceeded(Conflict):
    """The plan allows no more documents this month."""


class Subscription(Root):
    """One payer's plan, and its use this month."""

    TOPIC = "subscription"

    class Started(FirstEvent):
        TOPIC = "subscription.started"
        payer_kind: PartyKind
        payer_id: UUID
        plan: Plan

        def apply(self, aggregate: "Subscription") -> None:
            aggregate.payer_kind = self.payer_kind
            aggregate.payer_id = self.payer_id
            aggregate.plan = self.plan
            aggregate.status = "active"
            aggregate.month = ""
            aggregate.used = set()

    class QuotaUsed(Root.Event):
        TOPIC = "subscription.quota_used"
        document_id: UUID
        month: str

        def apply(self, aggregate: "Subscription") -> None:
            if self.month != aggregate.month:
                aggregate.month = self.month
                aggregate.used = set()
            aggregate.used.add(self.document_id)

    class QuotaReleased(Root.Event):
        TOPIC = "subscription.quota_released"
        document_id: UUID
        month: str

        def apply(self, aggregate: "Subscription") -> None:
            aggregate.used.discard(self.document_id)

    class PlanChanged(Root.Event):
        TOPIC = "subscription.plan_changed"
        plan: Plan

        def apply(self, aggregate: "Subscription") -> None:
            aggregate.plan = self.plan
            aggregate.status = "active"

    class Cancelled(Root.Event):
        TOPIC = "subscription.cancelled"

        def apply(self, aggregate: "Subscription") -> None:
            aggregate.plan = "free"
            aggregate.status = "cancelled"

    payer_kind: PartyKind
    payer_id: UUID
    plan: Plan
    status: Status
    month: str
    used: set[UUID]

    @staticmethod
    @lru_cache(maxsize=10_000)
    def id_of(payer: Party) -> UUID:
        """Return the id of a payer's subscription (a UUIDv5, RFC 9562). Cached: one hot route computes it each time.

        The kind is not part of it: no user and team have the same id, because all ids of streams differ.
        """
        return uuid5(payer.id, "subscription")

    @classmethod
    def start(cls, *, payer: Party, now: datetime, plan: Plan = "free") -> "Subscription":
        """Start the first plan of a payer: for a user the free one, for a team the one of its founder."""
        id = cls.id_of(payer)
        return cls.start_stream(
            cls.Started, id=id, tenant=payer, now=now, payer_kind=payer.kind, payer_id=payer.id, plan=plan
        )

    @property
    def limit(self) -> int | None:
        """Number of documents allowed a month; None: no limit."""
        return MONTHLY_DOCUMENTS.get(self.plan)

    def documents_used(self, now: datetime) -> int:
        """Return the number of documents counted this month."""
        return len(self.used) if self._month(now) == self.month else 0

    def resets_at(self, now: datetime) -> datetime:
        """Return when the next month begins."""
        year, month = map(int, self._month(now).split("-"))
        return datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)

    def use(self, document_id: UUID, *, now: datetime) -> None:
        """Count a new document, or one from another owner.

        Raises:
            QuotaExceeded: the plan allows no more this month.
        """
        limit, month = self.limit, self._month(now)
        if limit is None or (document_id in self.used and month == self.month):
            return
        if self.documents_used(now) >= limit:
            raise QuotaExceeded(
                f"The {self.plan} plan allows {limit} documents a month, and they are used up until"
                f" {self.resets_at(now):%Y-%m-%d} (UTC). Wait until then, or change the plan."
            )
        self.trigger_event(self.QuotaUsed, now=now, document_id=document_id, month=month)

    def release(self, document_id: UUID, *, now: datetime) -> None:
        """Uncount a document whose creation was undone, or that another payer counts."""
        if document_id in self.used:
            self.trigger_event(self.QuotaReleased, now=now, document_id=document_id, month=self.month)

    def change_plan(self, plan: Plan, *, now: datetime) -> None:
        """Change the plan at once."""
        if plan != self.plan:
            self.trigger_event(self.PlanChanged, now=now, plan=plan)

    def cancel(self, *, now: datetime) -> None:
        """End a paid plan at once. Does nothing on the free plan."""
        if self.plan != "free":
            self.trigger_event(self.Cancelled, now=now)

    def _month(self, now: datetime) -> str:
        # Never an earlier month, whose count is gone: clocks of two machines differ at the turn of a month.
        utc = now.astimezone(UTC)
        return max(self.month, f"{utc.year:04}-{utc.month:02}")
