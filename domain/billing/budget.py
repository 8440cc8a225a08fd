"""Budgets: what generations may cost a payer in a calendar month (UTC), in tokens and in micro-dollars.

A generation reserves the most that an attempt may cost before it begins, and is settled with what it has cost. Each
further attempt reserves again, so that what was charged meanwhile counts. A generation is known by its id: what is
settled or released already causes no event. Each month is a stream of its own, apart from the subscription, so that a
stream stays short and creating documents never waits for it.

The budget of a team also knows which of its users spends how much, because owners may allow each of them less than all.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid5

from domain.billing.subscription import Plan
from domain.kernel import Conflict, FirstEvent, Party, PartyKind, Root

NOTICES = (50, 80, 100)
"""Percentages of the allowance at which there is a notice; the last one also at the first refusal."""
USED_UP = NOTICES[-1]


class BudgetExceeded(Conflict):
    """The rest of the month's budget is less than the generation may cost."""


class TeamBudgetExceeded(BudgetExceeded):
    """The rest of what the user may spend of the team's budget this month is less than the generation may cost."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """The most that a payer may use in a month, in tokens and in micro-dollars.

    Up to `soft_percent` of it (the soft budget) the models that people ask for write, and beyond it cheaper ones.
    """

    tokens: int
    micros: int
    soft_percent: int = 80

    @property
    def soft(self) -> "Allowance":
        """The soft budget."""
        return Allowance(self.tokens * self.soft_percent // 100, self.micros * self.soft_percent // 100)

    def limited(self, tokens: int | None, micros: int | None) -> "Allowance":
        """Return the allowance with these limits, where they are lower."""
        return Allowance(
            self.tokens if tokens is None else min(tokens, self.tokens),
            self.micros if micros is None else min(micros, self.micros),
            self.soft_percent,
        )


@dataclass(frozen=True, slots=True)
class Spender:
    """A user who spends the budget of a team, and what the team allows this user in a month."""

    user_id: UUID
    allowance: Allowance


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
    snapshot_version = 3

    class Opened(FirstEvent):
        TOPIC = "budget.opened"
        payer_kind: PartyKind
        payer_id: UUID
        month: str

        def apply(self, aggregate: "Budget") -> None:
            self.assign(aggregate)
            aggregate.used_tokens = aggregate.used_micros = aggregate.noticed = 0
            aggregate.limit_tokens = aggregate.limit_micros = 0
            aggregate.reserved, aggregate.spenders, aggregate.used_by = {}, {}, {}

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
            aggregate.allow(self.limit_tokens, self.limit_micros)

    class Attributed(Root.Event):
        """What the generation costs from now on is spent by this user, until its reservation ends."""

        TOPIC = "budget.attributed"
        generation_id: UUID
        user_id: UUID

        def apply(self, aggregate: "Budget") -> None:
            aggregate.spenders[self.generation_id] = self.user_id

    class Charged(Root.Event):
        """A generation has cost something, and goes on or was released before. Its reservation shrinks by it.

        `model`: the one that has written; None: not recorded then.
        """

        TOPIC = "budget.charged"
        generation_id: UUID
        tokens: int
        micros: int
        model: str | None = None

        def apply(self, aggregate: "Budget") -> None:
            aggregate.add(self.generation_id, self.tokens, self.micros)
            if self.generation_id in aggregate.reserved:
                tokens, micros = aggregate.reserved[self.generation_id]
                aggregate.reserved[self.generation_id] = [max(0, tokens - self.tokens), max(0, micros - self.micros)]
            else:
                aggregate.spenders.pop(self.generation_id, None)

    class Settled(Root.Event):
        """A generation has ended, and has cost this. `model`: as in `Charged`."""

        TOPIC = "budget.settled"
        generation_id: UUID
        tokens: int
        micros: int
        model: str | None = None

        def apply(self, aggregate: "Budget") -> None:
            aggregate.add(self.generation_id, self.tokens, self.micros)
            aggregate.end_reservation(self.generation_id)

    class Released(Root.Event):
        TOPIC = "budget.released"
        generation_id: UUID

        def apply(self, aggregate: "Budget") -> None:
            aggregate.end_reservation(self.generation_id)

    class NoticeReached(Root.Event):
        """So much is used, or a generation was refused.

        `limit_tokens`, `limit_micros`: the allowance by which it was refused.
        """

        TOPIC = "budget.notice_reached"
        percent: int
        limit_tokens: int | None = None
        limit_micros: int | None = None

        def apply(self, aggregate: "Budget") -> None:
            if self.limit_tokens is not None and self.limit_micros is not None:
                aggregate.allow(self.limit_tokens, self.limit_micros)
            aggregate.noticed = self.percent

    payer_kind: PartyKind
    payer_id: UUID
    month: str
    used_tokens: int
    used_micros: int
    limit_tokens: int
    limit_micros: int
    noticed: int
    """The highest percentage of the allowance of which there was a notice. A higher allowance makes it lower."""
    reserved: dict[UUID, list[int]]
    """Tokens and micro-dollars by generation."""
    spenders: dict[UUID, UUID]
    """The users whose generations have reserved something of a team's budget."""
    used_by: dict[UUID, list[int]]
    """Tokens and micro-dollars that users have spent of a team's budget."""

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

    @property
    def payer(self) -> Party:
        """The user or team who pays."""
        return Party(self.payer_kind, self.payer_id)

    def used_of(self, user_id: UUID) -> tuple[int, int]:
        """Return the tokens and micro-dollars that a user has spent of a team's budget."""
        tokens, micros = self.used_by.get(user_id, (0, 0))
        return tokens, micros

    def reserved_of(self, user_id: UUID) -> tuple[int, int]:
        """Return the tokens and micro-dollars that open generations of a user may still take from a team's budget."""
        own = [amounts for id, amounts in self.reserved.items() if self.spenders.get(id) == user_id]
        return sum(tokens for tokens, _ in own), sum(micros for _, micros in own)

    def left(self, generation_id: UUID, allowance: Allowance, user_id: UUID | None = None) -> tuple[int, int]:
        """Return the tokens and micro-dollars that a generation can still reserve of an allowance.

        `user_id`: the allowance is for this user of a team; None: for all.
        """
        if user_id is None:
            used, reserved = (self.used_tokens, self.used_micros), (self.reserved_tokens, self.reserved_micros)
        else:
            used, reserved = self.used_of(user_id), self.reserved_of(user_id)
        own_tokens, own_micros = self.reserved.get(generation_id, (0, 0))
        return (
            allowance.tokens - used[0] - reserved[0] + own_tokens,
            allowance.micros - used[1] - reserved[1] + own_micros,
        )

    def reserve(
        self,
        generation_id: UUID,
        *,
        tokens: int,
        micros: int,
        allowance: Allowance,
        now: datetime,
        spender: Spender | None = None,
    ) -> None:
        """Reserve what a generation may cost from now on. If it has reserved as much already, that causes no event.

        `spender`: who spends the budget of a team.

        Raises:
            BudgetExceeded: less is left.
            TeamBudgetExceeded: less is left for this user.
        """
        own_tokens, own_micros = self.reserved.get(generation_id, (0, 0))
        if generation_id in self.reserved and tokens <= own_tokens and micros <= own_micros:
            return
        _require_room(tokens, micros, self.left(generation_id, allowance))
        if spender is not None:
            _require_room_for_user(tokens, micros, self.left(generation_id, spender.allowance, spender.user_id))
            self._attribute(generation_id, spender.user_id, now)
        self.trigger_event(
            self.Reserved,
            now=now,
            generation_id=generation_id,
            tokens=tokens,
            micros=micros,
            limit_tokens=allowance.tokens,
            limit_micros=allowance.micros,
        )

    def is_news(self, allowance: Allowance) -> bool:
        """Whether there was no notice of a refusal by this allowance."""
        return self._is_raised(allowance.tokens, allowance.micros) or self.noticed < USED_UP

    def note_refusal(self, allowance: Allowance, *, now: datetime) -> None:
        """Note that less was left than a generation may cost. Once, until the allowance is raised."""
        if self.is_news(allowance):
            self.trigger_event(
                self.NoticeReached,
                now=now,
                percent=USED_UP,
                limit_tokens=allowance.tokens,
                limit_micros=allowance.micros,
            )

    def charge(
        self,
        generation_id: UUID,
        *,
        tokens: int,
        micros: int,
        now: datetime,
        user_id: UUID | None = None,
        model: str | None = None,
    ) -> None:
        """Add what an attempt has cost, out of its reservation. Nothing causes no event.

        `user_id`: who spends the budget of a team. `model`: which one has written.
        """
        if tokens or micros:
            if user_id is not None:
                self._attribute(generation_id, user_id, now)
            cost = {"generation_id": generation_id, "tokens": tokens, "micros": micros, "model": model}
            self.trigger_event(self.Charged, now=now, **cost)
            self._give_notice(now)

    def settle(self, generation_id: UUID, *, tokens: int, micros: int, now: datetime, model: str | None = None) -> None:
        """Add what a generation has cost, and end its reservation. One that has none is settled already."""
        if generation_id in self.reserved:
            cost = {"generation_id": generation_id, "tokens": tokens, "micros": micros, "model": model}
            self.trigger_event(self.Settled, now=now, **cost)
            self._give_notice(now)

    def release(self, generation_id: UUID, *, now: datetime) -> None:
        """End a reservation. One that has ended causes no event."""
        if generation_id in self.reserved:
            self.trigger_event(self.Released, now=now, generation_id=generation_id)

    def add(self, generation_id: UUID, tokens: int, micros: int) -> None:
        """Add to what is used. Only events call this."""
        self.used_tokens += tokens
        self.used_micros += micros
        user_id = self.spenders.get(generation_id)
        if user_id is not None:
            before_tokens, before_micros = self.used_of(user_id)
            self.used_by[user_id] = [before_tokens + tokens, before_micros + micros]

    def allow(self, tokens: int, micros: int) -> None:
        """Set the allowance. After a higher one, notices come again. Only events call this."""
        is_raised = self._is_raised(tokens, micros)
        self.limit_tokens, self.limit_micros = tokens, micros
        if is_raised:
            self.noticed = min(self.noticed, self._reached)

    def end_reservation(self, generation_id: UUID) -> None:
        """Remove a reservation. Only events call this."""
        self.reserved.pop(generation_id, None)
        self.spenders.pop(generation_id, None)

    def _is_raised(self, tokens: int, micros: int) -> bool:
        return tokens > self.limit_tokens or micros > self.limit_micros

    def _attribute(self, generation_id: UUID, user_id: UUID, now: datetime) -> None:
        if generation_id not in self.spenders:
            self.trigger_event(self.Attributed, now=now, generation_id=generation_id, user_id=user_id)

    def _give_notice(self, now: datetime) -> None:
        if self._reached > self.noticed:
            self.trigger_event(self.NoticeReached, now=now, percent=self._reached, limit_tokens=None, limit_micros=None)

    @property
    def _reached(self) -> int:
        """The highest percentage with a notice that is used."""
        used = max(_percent(self.used_tokens, self.limit_tokens), _percent(self.used_micros, self.limit_micros))
        return max((percent for percent in NOTICES if percent <= used), default=0)


def _percent(used: int, limit: int) -> int:
    return used * 100 // limit if limit else 0


def _require_room(tokens: int, micros: int, left: tuple[int, int]) -> None:
    if tokens > left[0] or micros > left[1]:
        raise BudgetExceeded(
            f"This may take {tokens} tokens and {micros} micro-dollars, and of this month's budget {_amounts(left)} "
            "are left. Ask for less, wait for generations that are under way or for the next month, or change the plan."
        )


def _require_room_for_user(tokens: int, micros: int, left: tuple[int, int]) -> None:
    if tokens > left[0] or micros > left[1]:
        raise TeamBudgetExceeded(
            f"This may take {tokens} tokens and {micros} micro-dollars, and of what you may spend of the team's budget "
            f"this month {_amounts(left)} are left. Ask for less, wait for the next month, or ask an owner of the team "
            "to allow you more."
        )


def _amounts(left: tuple[int, int]) -> str:
    return f"{max(0, left[0])} tokens and {max(0, left[1])} micro-dollars"
