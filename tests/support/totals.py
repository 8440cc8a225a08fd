"""A small read model whose rows several streams change: how often each line was written, in all notes together."""

from collections.abc import Iterator
from decimal import Decimal

from application.ports import RecordedEvent
from projections.kernel import Change, PersonalData, ReadModel, Totals, moment_of
from tests.support.note import Note
from tests.support.stores import rows

PRICE = Decimal("0.0125")


class LineTotals(ReadModel):
    """Totals by line and day; the line "!raise" cannot be projected, a new label takes back one "label"."""

    version = 1
    roots = (Note,)
    personal = PersonalData("what a test writes", "with the database of the test")
    table = Totals(
        "line_totals",
        key={"line": "text", "day": "date"},
        sums={"lines": "bigint", "characters": "bigint", "cost": "numeric"},
        indexes=["(day)"],
    )

    def changes(self, event: RecordedEvent) -> Iterator[Change]:
        day = moment_of(event).date()
        match event.data:
            case Note.Written():
                yield self.table.add("label", day, lines=1)
                yield self.table.add("note", day, lines=1)
            case Note.Extended(line="!raise"):
                raise RuntimeError("not this one")
            case Note.Extended(line=line):
                yield self.table.add(line, day, lines=1, characters=len(line), cost=len(line) * PRICE)
            case Note.Relabelled():
                yield self.table.add("label", day, lines=-1)


TOTALS = f'SELECT "line", lines, characters, cost FROM {LineTotals.table.summed()} AS totals'


def totals_in(url: str) -> dict[str, tuple[int, int, Decimal]]:
    """Lines, characters and cost, by line."""
    return {line: (lines, characters, cost) for line, lines, characters, cost in rows(url, TOTALS)}


def expected(lines: dict[str, int], notes: int, relabelled: int = 0) -> dict[str, tuple[int, int, Decimal]]:
    """The totals after so many notes with these lines, by line."""
    totals = {line: (count, count * len(line), count * len(line) * PRICE) for line, count in lines.items()}
    return totals | {"label": (notes - relabelled, 0, Decimal(0)), "note": (notes, 0, Decimal(0))}
