"""What was charged to budgets: the lines of monthly statements. Only this file writes and reads the table."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec

from application.ports import Actor, ReadStore, RecordedEvent
from domain.billing.budget import Budget
from domain.kernel import Party, PartyKind
from projections.kernel import Change, PersonalData, ReadModel, Table, moment_of, reads
from projections.page import bounded, page_of, read_cursor
from projections.visibility import TEAM_MODELS, team_role


@dataclass(frozen=True, slots=True)
class StatementLine:
    """What a generation was charged at a time. `generation_id` leads to its receipt.

    `document_id`, `asker_id`: None if the generation has been erased since. `model`: the one that wrote, of several the
    first; None: it was not recorded then, and the generation has been erased since.
    """

    number: int
    generation_id: UUID
    document_id: UUID | None
    asker_id: UUID | None
    model: str | None
    tokens: int
    micros: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Statement:
    """A payer's month: what all generations were charged, in tokens and micro-dollars, and some of the lines.

    `next`: the cursor of further lines; None: these are the last ones.
    """

    payer_kind: PartyKind
    payer_id: UUID
    month: str
    tokens: int
    micros: int
    items: list[StatementLine]
    next: str | None


class BudgetCharges(ReadModel):
    """What all budgets were charged."""

    version = 2
    roots = (Budget,)
    personal = PersonalData(
        "what was charged to a payer, and when, by ids", "stays, as accounts must: ids and amounts only"
    )
    table = Table(
        "budget_charge",
        key={"budget_id": "uuid", "number": "bigint"},
        columns={
            "generation_id": "uuid NOT NULL",
            "tokens": "bigint NOT NULL",
            "micros": "bigint NOT NULL",
            "model": "text",
            "at": "timestamptz NOT NULL",
        },
    )

    def changes(self, event: RecordedEvent) -> Iterator[Change]:
        match event.data:
            case Budget.Charged() | Budget.Settled() as charged:
                yield self.table.put(
                    event.stream_id,
                    event.version,
                    generation_id=charged.generation_id,
                    tokens=charged.tokens,
                    micros=charged.micros,
                    model=charged.model,
                    at=moment_of(event),
                )


class _Cursor(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    number: Annotated[int, msgspec.Meta(ge=0, le=2**62)]


@dataclass(frozen=True, slots=True)
class _Row:
    """The sums, beside a line of the page; without lines there is one row, whose `number` is None."""

    sum_tokens: int
    sum_micros: int
    number: int | None
    generation_id: UUID
    document_id: UUID | None
    asker_id: UUID | None
    model: str | None
    tokens: int
    micros: int
    at: datetime


# One query, so that sums and lines belong together whatever is charged meanwhile.
STATEMENT = """
SELECT * FROM (
    SELECT coalesce(sum(tokens), 0)::bigint AS sum_tokens, coalesce(sum(micros), 0)::bigint AS sum_micros
    FROM read.budget_charge WHERE budget_id = %(budget_id)s
) sums LEFT JOIN (
    SELECT c.number, c.generation_id, g.document_id, g.asker_id,
        coalesce(c.model, g.answered_by, g.stand_in, g.model) AS model, c.tokens, c.micros, c.at
    FROM read.budget_charge c LEFT JOIN read.generation g ON g.id = c.generation_id
    WHERE c.budget_id = %(budget_id)s AND c.number > %(after)s ORDER BY c.number LIMIT %(limit)s
) lines ON true ORDER BY number
"""


@reads(BudgetCharges, "generation")
async def statement(
    rows: ReadStore, actor: Actor, month: str, *, cursor: str | None = None, limit: int | None = None
) -> Statement:
    """Return the actor's statement of a month ("2026-11"), with lines in the order of their time.

    Raises:
        BadCursor: the cursor is not one of a statement.
    """
    return await _statement(rows, Party("user", actor.user_id), month, cursor, limit)


@reads(BudgetCharges, "generation", *TEAM_MODELS)
async def team_statement(
    rows: ReadStore, actor: Actor, team_id: UUID, month: str, *, cursor: str | None = None, limit: int | None = None
) -> Statement | None:
    """Return the statement of a team's month; None: the team does not exist for the actor.

    Raises:
        RoleTooLow: the actor is no admin.
        BadCursor: the cursor is not one of a statement.
    """
    if await team_role(rows, actor, team_id, "read_budget") is None:
        return None
    return await _statement(rows, Party("team", team_id), month, cursor, limit)


@reads(BudgetCharges, "generation")
async def _statement(rows: ReadStore, payer: Party, month: str, cursor: str | None, limit: int | None) -> Statement:
    size, after = bounded(limit), 0 if cursor is None else read_cursor(cursor, _Cursor).number
    params = {"budget_id": Budget.id_of(payer, month), "after": after, "limit": size + 1}
    found = await rows.all(_Row, STATEMENT, params)
    page = page_of([_line(row, row.number) for row in found if row.number is not None], size, _cursor)
    sums = found[0]
    return Statement(payer.kind, payer.id, month, sums.sum_tokens, sums.sum_micros, page.items, page.next)


def _line(row: _Row, number: int) -> StatementLine:
    return StatementLine(
        number=number,
        generation_id=row.generation_id,
        document_id=row.document_id,
        asker_id=row.asker_id,
        model=row.model,
        tokens=row.tokens,
        micros=row.micros,
        at=row.at,
    )


def _cursor(last: StatementLine) -> _Cursor:
    return _Cursor(last.number)
