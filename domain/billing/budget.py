"""Budgets: what generations may cost a payer in a calendar month (UTC), in tokens and in micro-dollars.

A generation reserves the most that an attempt may cost before it begins, and is settled with what it has cost. Each
further attempt reserves again, so that what was charged meanwhile counts. A generation is known by its id: what is
settled or released already causes no event. Each month is a stream of its own, apart from the subscription, so that a
stream stays short and creating documents never waits for it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid5

from domain.billing.subscription import Plan
from domain.kernel import Conflict, FirstEvent, Party, PartyKind, Root

NOTICES = (50, 80, 100)
"""Percentages of the allowance at which there is a notice."""


class BudgetExceeded(Conflict):
    """The rest of the month's budget is less than the generation may cost."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """The most that a plan allows in a month. From `soft_percent` of it on, a payer is to use it with care."""

    tokens: int
    micros: int
    soft_percent: int = 80


ALLOWANCES: dict[Plan, Allowance] = {
    "free": Allowance(200_000, 500_000),
    "pro": Allowance(10_000_000, 20_000_000),
    "enterprise": Allowance(100_000_000, 200_000_000),
}
"""By plan: half a dollar, 20 dollars, 200 dollars a month."""


def month_of(now: datetime) -> str:
    """Return the month of a time ("2026-11")."""
    utc = now.astimezone(UTC)
    return f"{utc.year:04}-{utc.month:02}"


class Budget(Root):
    """One payer's budget of one month: what is used, and what open generations have reserved."""

    TOPIC = "budget"

    class Opened(FirstEvent):
        TOPIC = "budget.opened"
        payer_kind: PartyKind
        payer_id: UUID
        month: str

        def apply(self, aggregate: "Budget") -> None:
            self.assign(aggregate)
            aggregate.used_tokens = aggregate.used_micros = aggregate.noticed = 0
            aggregate.limit_tokens = aggregate.limit_micros = 0
            aggregate.reserved = {}

    class Reserved(Root.Event):
        """What a generation may cost from now on, in place of what it has reserved before.

        `limit_tokens`, `limit_micros`: the allowance of the plan at that time.
        """

        TOPIC = "budget.reserved"
        generation_id: UUID
        tokens: int
        micros: int
        limit_tokens: int
        limit_micros: int

        def apply(self, aggregate: "Budget") -> None:
            aggregate.reserved[self.generation_id] = [self.tokens, self.micros]
            aggregate.limit_tokens, aggregate.limit_micros = self.limit_tokens, self.limit_micros

    class Charged(Root.Event):
        """A generation has cost something, and goes on or was released before. Its reservation shrinks by it."""

        TOPIC = "budget.charged"
        generation_id: UUID
        tokens: int
        micros: int

        def apply(self, aggregate: "Budget") -> None:
            aggregate.used_tokens += self.tokens
            aggregate.used_micros += self.micros
            if self.generation_id in aggregate.reserved:
                tokens, micros = aggregate.reserved[self.generation_id]
                aggregate.reserved[self.generation_id] = [max(0, tokens - self.tokens), max(0, micros - self.micros)]

    class Settled(Root.Event):
        """A generation has ended, and has cost this."""

        TOPIC = "budget.settled"
        generation_id: UUID
        tokens: int
        micros: int

        def apply(self, aggregate: "Budget") -> None:
            aggregate.used_tokens += self.tokens
            aggregate.used_micros += self.micros
            aggregate.reserved.pop(self.generation_id, None)

    class Released(Root.Event):
        TOPIC = "budget.released"
        generation_id: UUID

        def apply(self, aggregate: "Budget") -> None:
            aggregate.reserved.pop(self.generation_id, None)

    class NoticeReached(Root.Event):
        TOPIC = "budget.notice_reached"
        percent: int

        def apply(self, aggregate: "Budget") -> None:
            aggregate.noticed = self.percent

    payer_kind: PartyKind
    payer_id: UUID
    month: str
    used_tokens: int
    used_micros: int
    limit_tokens: int
    limit_micros: int
    noticed: int
    """The highest percentage of which there was a notice."""
    reserved: dict[UUID, list[int]]
    """Tokens and micro-dollars by generation."""

    @staticmethod
    def id_of(payer: Party, month: str) -> UUID:
        """Return the id of a payer's budget of a month (a UUIDv5, RFC 9562)."""
        return uuid5(payer.id, f"budget:{month}")

    @classmethod
    def open(cls, *, payer: Party, month: str, now: datetime) -> "Budget":
        """Open the budget of a month."""
        return cls.start_stream(
            cls.Opened,
            id=cls.id_of(payer, month),
            tenant=payer,
            now=now,
            payer_kind=payer.kind,
            payer_id=payer.id,
            month=month,
        )

    @property
    def reserved_tokens(self) -> int:
        """The tokens that open generations may still use."""
        return sum(tokens for tokens, _ in self.reserved.values())

    @property
    def reserved_micros(self) -> int:
        """The micro-dollars that open generations may still cost."""
        return sum(micros for _, micros in self.reserved.values())

    def reserve(self, generation_id: UUID, *, tokens: int, micros: int, allowance: Allowance, now: datetime) -> None:
        """Reserve what a generation may cost from now on. If it has reserved as much already, that causes no event.

        Raises:
            BudgetExceeded: less is left.
        """
        own_tokens, own_micros = self.reserved.get(generation_id, (0, 0))
        if generation_id in self.reserved and tokens <= own_tokens and micros <= own_micros:
            return
        left_tokens = allowance.tokens - self.used_tokens - self.reserved_tokens + own_tokens
        left_micros = allowance.micros - self.used_micros - self.reserved_micros + own_micros
        if tokens > left_tokens or micros > left_micros:
            raise BudgetExceeded(
                f"This may take {tokens} tokens and {micros} micro-dollars, and of this month's budget {left_tokens} "
                f"tokens and {left_micros} micro-dollars are left. Ask for less, wait for generations that are under "
                "way or for the next month, or change the plan."
            )
        self.trigger_event(
            self.Reserved,
            now=now,
            generation_id=generation_id,
            tokens=tokens,
            micros=micros,
            limit_tokens=allowance.tokens,
            limit_micros=allowance.micros,
        )

    def charge(self, generation_id: UUID, *, tokens: int, micros: int, now: datetime) -> None:
        """Add what an attempt has cost, out of its reservation. Nothing causes no event."""
        if tokens or micros:
            self.trigger_event(self.Charged, now=now, generation_id=generation_id, tokens=tokens, micros=micros)
            self._give_notice(now)

    def settle(self, generation_id: UUID, *, tokens: int, micros: int, now: datetime) -> None:
        """Add what a generation has cost, and end its reservation. One that has none is settled already."""
        if generation_id in self.reserved:
            self.trigger_event(self.Settled, now=now, generation_id=generation_id, tokens=tokens, micros=micros)
            self._give_notice(now)

    def release(self, generation_id: UUID, *, now: datetime) -> None:
        """End a reservation. One that has ended causes no event."""
        if generation_id in self.reserved:
            self.trigger_event(self.Released, now=now, generation_id=generation_id)

    def _give_notice(self, now: datetime) -> None:
        used = max(_percent(self.used_tokens, self.limit_tokens), _percent(self.used_micros, self.limit_micros))
        reached = max((percent for percent in NOTICES if percent <= used), default=0)
        if reached > self.noticed:
            self.trigger_event(self.NoticeReached, now=now, percent=reached)


def _percent(used: int, limit: int) -> int:
    return used * 100 // limit if limit else 0
