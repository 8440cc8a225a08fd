"""Stored events cannot change unnoticed: topics, class versions and fields must equal the reviewed file.

What was stored once is read for ever, so a line may be added, or a field with a default; a line that changes otherwise
needs a new class version and an upcaster. `python -m tests.contract.test_stored_events` writes the file.
"""

from dataclasses import fields
from inspect import formatannotation
from pathlib import Path
from typing import get_type_hints

from domain.kernel import Root
from infra.store.codec import layout_of
from tests.support.lives import LIVES

GOLDEN = Path(__file__).with_name("stored_events.txt")


def description() -> str:
    """The stored form of each event: topic, class version, and fields; sealed ones with the subject of their key."""
    kinds = {type(event) for root in LIVES for event in root.pending_events if isinstance(event, Root.Event)}
    return "".join(sorted(line_of(kind) for kind in kinds))


def line_of(kind: type[Root.Event]) -> str:
    """The line of one class of events."""
    layout, hints = layout_of(kind), get_type_hints(kind)
    sealed = {name: f" sealed by {group.subject}" for group in layout.groups for name in group.names}
    types = {field.name: formatannotation(hints[field.name]) for field in fields(kind)}
    stored = [f"{name}: {types[name]}{sealed.get(name, '')}" for name in types if name in {*layout.clear, *sealed}]
    return f"{layout.topic} {layout.version} ({', '.join(stored)})\n"


def test_stored_events_are_as_reviewed() -> None:
    assert description() == GOLDEN.read_text()


if __name__ == "__main__":
    GOLDEN.write_text(description())
