"""Plans of payers, and their use. Only this file writes and reads the table."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from application.billing.subscription import SubscriptionView
from application.ports import ReadStore, RecordedEvent
from domain.billing.subscription import MONTHLY_DOCUMENTS, Plan, Status, Subscription
from domain.kernel import Party, PartyKind
from projections.columns import new_row, select_by_id
from projections.kernel import CacheSpec, Change, PersonalData, ReadModel, Row, Table, moment_of, reads


@dataclass(frozen=True, slots=True)
class StoredSubscription:
    """A row of the table. `used` is the count of `month` ("2026-11"), so its meaning depends on the current time."""

    id: UUID
    payer_kind: PartyKind
    payer_id: UUID
    plan: Plan
    status: Status
    month: str
    used: int
    version: int
    created_at: datetime
    updated_at: datetime


BY_ID = select_by_id(StoredSubscription, "subscription")


class Subscriptions(ReadModel):
    """The subscriptions of all payers."""

    version = 1
    roots = (Subscription,)
    personal = PersonalData("plan and use by user id", "stays, as accounts must: ids and amounts only")
    table = Table(
        "subscription",
        key={"id": "uuid"},
        columns={
            "payer_kind": "text NOT NULL",
            "payer_id": "uuid NOT NULL",
            "plan": "text NOT NULL",
            "status": "text NOT NULL",
            "month": "text NOT NULL",
            "used": "bigint NOT NULL",
            "version": "bigint NOT NULL",
            "created_at": "timestamptz NOT NULL",
            "updated_at": "timestamptz NOT NULL",
        },
    )
    cached = CacheSpec("subscription", StoredSubscription, BY_ID, ttl=timedelta(hours=1))

    def changes(self, event: RecordedEvent) -> Iterator[Change]:
        match event.data:
            case Subscription.Started():
                yield new_row(self.table, event, status="active", month="", used=0)
            case Subscription.QuotaUsed(month=month):
                yield self._set(event, month=month, used=lambda row: _one_more(row, month))
            case Subscription.QuotaReleased():
                yield self._set(event, used=lambda row: row["used"] - 1)
            case Subscription.PlanChanged(plan=plan):
                yield self._set(event, plan=plan, status="active")
            case Subscription.Cancelled():
                yield self._set(event, plan="free", status="cancelled")

    def _set(self, event: RecordedEvent, **values: object) -> Change:
        return self.table.set(event.stream_id, version=event.version, updated_at=moment_of(event), **values)


def _one_more(row: Row, month: str) -> int:
    used: int = row["used"]
    return used + 1 if row["month"] == month else 1


@reads(Subscriptions)
async def subscription(rows: ReadStore, payer: Party, now: datetime) -> SubscriptionView | None:
    """Return the payer's subscription at this time."""
    stored = await rows.by_key(StoredSubscription, BY_ID, Subscription.id_of(payer))
    return None if stored is None else view_at(stored, now)


@reads(Subscriptions)
async def plan_of(rows: ReadStore, payer: Party) -> Plan | None:
    """Return the payer's plan; None: there is no subscription."""
    stored = await rows.by_key(StoredSubscription, BY_ID, Subscription.id_of(payer))
    return None if stored is None else stored.plan


def view_at(stored: StoredSubscription, now: datetime) -> SubscriptionView:
    """Return the subscription as its payer sees it at this time. As in `Subscription`, months never go back."""
    month = max(stored.month, f"{now.astimezone(UTC):%Y-%m}")
    years, months = map(int, month.split("-"))
    return SubscriptionView(
        id=stored.id,
        payer_kind=stored.payer_kind,
        payer_id=stored.payer_id,
        plan=stored.plan,
        status=stored.status,
        documents_used=stored.used if stored.month == month else 0,
        documents_limit=MONTHLY_DOCUMENTS.get(stored.plan),
        resets_at=datetime(years + months // 12, months % 12 + 1, 1, tzinfo=UTC),
        version=stored.version,
        created_at=stored.created_at,
        updated_at=stored.updated_at,
    )
