"""Subscriptions: what a plan allows, and never more."""

from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given as forall
from hypothesis import strategies as st

from domain.billing.subscription import Plan, QuotaExceeded, Subscription
from domain.kernel import Party
from tests.support.given import NOW, Fact, fact, given, new_events, replayed, state

ADA, CREW = Party("user", UUID(int=1)), Party("team", UUID(int=3))
DOCUMENTS = [UUID(int=number) for number in range(100, 120)]
STARTED = fact(Subscription.Started, payer_kind="user", payer_id=ADA.id, plan="free")
NEXT_MONTH = datetime(2026, 12, 1, tzinfo=UTC)


def used(*documents: UUID, month: str = "2026-11") -> list[Fact]:
    return [fact(Subscription.QuotaUsed, document_id=document, month=month) for document in documents]


def test_everybody_starts_on_the_free_plan() -> None:
    subscription = Subscription.start(payer=ADA, now=NOW)
    assert new_events(subscription) == [STARTED]
    assert (subscription.plan, subscription.status, subscription.limit) == ("free", "active", 5)
    assert subscription.documents_used(NOW) == 0


def test_a_team_pays_as_a_user_does() -> None:
    subscription = Subscription.start(payer=CREW, now=NOW)
    assert new_events(subscription) == [fact(Subscription.Started, payer_kind="team", payer_id=CREW.id, plan="free")]
    assert subscription.id == Subscription.id_of(CREW)


def test_a_payer_has_one_subscription_whose_id_never_changes() -> None:
    assert Subscription.start(payer=ADA, now=NOW).id == Subscription.id_of(ADA)
    assert Subscription.id_of(ADA) == UUID("0b111f96-a273-5bcd-9d09-0c6d9b7ec94f")
    assert Subscription.id_of(ADA) != Subscription.id_of(Party("user", UUID(int=2)))


def test_a_document_uses_quota_once() -> None:
    subscription = given(Subscription, STARTED)
    subscription.use(DOCUMENTS[0], now=NOW)
    subscription.use(DOCUMENTS[0], now=NOW)
    assert new_events(subscription) == used(DOCUMENTS[0])
    assert subscription.documents_used(NOW) == 1


def test_the_free_plan_refuses_a_sixth_document() -> None:
    subscription = given(Subscription, STARTED, *used(*DOCUMENTS[:5]))
    with pytest.raises(QuotaExceeded) as refusal:
        subscription.use(DOCUMENTS[5], now=NOW)
    assert "5 documents a month" in refusal.value.detail
    assert "2026-12-01 (UTC)" in refusal.value.detail
    assert new_events(subscription) == []


def test_a_repeated_use_is_no_sixth_document() -> None:
    subscription = given(Subscription, STARTED, *used(*DOCUMENTS[:5]))
    subscription.use(DOCUMENTS[4], now=NOW)
    assert new_events(subscription) == []


def test_the_next_month_begins_at_zero() -> None:
    subscription = given(Subscription, STARTED, *used(*DOCUMENTS[:5]))
    assert subscription.documents_used(NEXT_MONTH) == 0
    subscription.use(DOCUMENTS[5], now=NEXT_MONTH)
    assert new_events(subscription) == used(DOCUMENTS[5], month="2026-12")
    assert subscription.documents_used(NEXT_MONTH) == 1


def test_a_month_is_one_in_utc() -> None:
    subscription = given(Subscription, STARTED)
    in_tokyo = NEXT_MONTH.astimezone(timezone(timedelta(hours=9)))
    subscription.use(DOCUMENTS[0], now=in_tokyo - timedelta(seconds=1))
    subscription.use(DOCUMENTS[1], now=in_tokyo)
    assert new_events(subscription) == [*used(DOCUMENTS[0]), *used(DOCUMENTS[1], month="2026-12")]


def test_a_clock_that_lags_counts_to_the_month_that_has_begun() -> None:
    subscription = given(Subscription, STARTED, *used(*DOCUMENTS[:5], month="2026-12"))
    with pytest.raises(QuotaExceeded):
        subscription.use(DOCUMENTS[5], now=NEXT_MONTH - timedelta(seconds=1))


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (NOW, NEXT_MONTH),
        (datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
        (datetime(2027, 1, 1, tzinfo=UTC), datetime(2027, 2, 1, tzinfo=UTC)),
    ],
)
def test_quota_resets_on_the_first(now: datetime, expected: datetime) -> None:
    assert given(Subscription, STARTED).resets_at(now) == expected


def test_an_undone_creation_gives_its_quota_back_once() -> None:
    subscription = given(Subscription, STARTED, *used(*DOCUMENTS[:5]))
    subscription.release(DOCUMENTS[0], now=NOW)
    subscription.release(DOCUMENTS[0], now=NOW)
    subscription.use(DOCUMENTS[5], now=NOW)
    released = fact(Subscription.QuotaReleased, document_id=DOCUMENTS[0], month="2026-11")
    assert new_events(subscription) == [released, *used(DOCUMENTS[5])]


def test_what_was_not_counted_gives_nothing_back() -> None:
    subscription = given(Subscription, STARTED, *used(*DOCUMENTS[:5]))
    subscription.release(DOCUMENTS[9], now=NOW)
    assert new_events(subscription) == []


@pytest.mark.parametrize("plan", ["pro", "enterprise"])
def test_a_plan_without_a_limit_counts_nothing(plan: Plan) -> None:
    subscription = given(Subscription, STARTED, *used(*DOCUMENTS[:5]), fact(Subscription.PlanChanged, plan=plan))
    for document in DOCUMENTS:
        subscription.use(document, now=NOW)
    assert subscription.limit is None
    assert new_events(subscription) == []


def test_going_back_to_the_free_plan_finds_what_was_used_before() -> None:
    pro = fact(Subscription.PlanChanged, plan="pro")
    subscription = given(Subscription, STARTED, *used(*DOCUMENTS[:5]), pro)
    subscription.change_plan("free", now=NOW)
    with pytest.raises(QuotaExceeded):
        subscription.use(DOCUMENTS[5], now=NOW)


def test_a_plan_changes_once() -> None:
    subscription = given(Subscription, STARTED)
    subscription.change_plan("pro", now=NOW)
    subscription.change_plan("pro", now=NOW)
    assert new_events(subscription) == [fact(Subscription.PlanChanged, plan="pro")]


def test_cancelling_ends_a_paid_plan_once() -> None:
    subscription = given(Subscription, STARTED, fact(Subscription.PlanChanged, plan="pro"))
    subscription.cancel(now=NOW)
    subscription.cancel(now=NOW)
    assert new_events(subscription) == [fact(Subscription.Cancelled)]
    assert (subscription.plan, subscription.status, subscription.limit) == ("free", "cancelled", 5)


def test_on_the_free_plan_there_is_nothing_to_cancel() -> None:
    subscription = given(Subscription, STARTED)
    subscription.cancel(now=NOW)
    assert new_events(subscription) == []


def test_a_cancelled_subscription_comes_back_with_a_plan() -> None:
    subscription = given(
        Subscription, STARTED, fact(Subscription.PlanChanged, plan="pro"), fact(Subscription.Cancelled)
    )
    subscription.change_plan("pro", now=NOW)
    assert (subscription.plan, subscription.status) == ("pro", "active")


COMMANDS = st.lists(
    st.tuples(
        st.sampled_from(["use", "use", "use", "use", "release", "free", "pro", "enterprise", "cancel"]),
        st.sampled_from(DOCUMENTS),
        # Minutes around the turn of a month, in any order: clocks of several machines.
        st.integers(-5, 5),
    ),
    max_size=60,
)


@forall(COMMANDS)
def test_no_month_ever_has_more_in_force_than_the_free_plan_allows(commands: list[tuple[str, UUID, int]]) -> None:
    subscription = Subscription.start(payer=ADA, now=NOW)
    for name, document, minutes in commands:
        obey(subscription, name, document, NEXT_MONTH + timedelta(minutes=minutes))
    in_force: Counter[str] = Counter()
    for happened in new_events(subscription):
        if happened.kind is Subscription.QuotaUsed:
            in_force[happened.fields["month"]] += 1
        elif happened.kind is Subscription.QuotaReleased:
            in_force[happened.fields["month"]] -= 1
        assert all(0 <= count <= 5 for count in in_force.values())
    assert state(replayed(subscription)) == state(subscription)


def obey(subscription: Subscription, name: str, document: UUID, now: datetime) -> None:
    try:
        match name:
            case "use":
                subscription.use(document, now=now)
            case "release":
                subscription.release(document, now=now)
            case "cancel":
                subscription.cancel(now=now)
            case "free" | "pro" | "enterprise":
                subscription.change_plan(name, now=now)
    except QuotaExceeded:
        assert len(subscription.used) == subscription.limit
