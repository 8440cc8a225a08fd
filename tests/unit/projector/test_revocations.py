"""Revocations before a rebuilt table replaces the live one: which events its streams in quarantine still get."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from msgspec.structs import replace

from application.ports import RecordedEvent, Undecodable
from domain.content import sharing
from domain.content.document import Document
from domain.content.erasure import erase_document
from infra.projector.checkpoints import PROJECTIONS, Checkpoint, QuarantinedStream
from infra.projector.rebuild.revocations import RevocationFailed, apply_revocations
from projections.kernel import Poison
from tests.support.given import NOW, address_of, person
from tests.support.projecting import MemoryFeed, news

OWNER, READER = person(1), person(2)
STREAM = UUID(int=1)
LIVE = "document_access"


@dataclass
class Successor:
    """A new table that fails at the positions `bad`, and keeps the positions that it was given."""

    bad: Collection[int] = ()
    adds: bool = False
    name: str = "next"
    applied: list[int] = field(default_factory=list)

    @property
    def statements(self) -> SimpleNamespace:
        """Whether the table adds."""
        return SimpleNamespace(adds=self.adds)

    async def apply_carefully(self, _: object, events: Sequence[RecordedEvent]) -> list[Poison]:
        self.applied += [event.position for event in events]
        return [Poison(event.stream_id, event.position, "KeyError") for event in events if event.position in self.bad]


def shared_and_erased() -> list[RecordedEvent]:
    """Created (1), shared (2), revoked (3), saved (4), shared (5), revoked (6), erased (7)."""
    found = Document.create(id=STREAM, owner_id=OWNER.user_id, title="A", content="secret", now=NOW)
    for title in ("B", "C"):
        sharing.share(found, address_id=address_of(READER), email="a@example.org", role="viewer", by=OWNER, now=NOW)
        sharing.revoke_share(found, address_id=address_of(READER), by=OWNER, now=NOW)
        if title == "B":
            found.change(title=title, content="secret", status="draft", by=OWNER, now=NOW)
    erase_document(found, now=NOW)
    return news(found)


def in_quarantine(monkeypatch: pytest.MonkeyPatch, **positions: int) -> None:
    """Let the stream be in quarantine of these consumers since its event at the position."""

    async def list_quarantine(_: object, name: str) -> list[QuarantinedStream]:
        return [QuarantinedStream(name, STREAM, positions[name], "KeyError", NOW)] if name in positions else []

    monkeypatch.setattr(PROJECTIONS, "list_quarantine", list_quarantine)


async def applied(
    successor: Successor, feed: MemoryFeed, position: int = 7, skipped: Collection[int] = (), name: str = LIVE
) -> list[int]:
    """The positions that the new table was given."""
    await apply_revocations(cast(Any, successor), cast(Any, None), feed, Checkpoint(name, 1, position), skipped)
    return successor.applied


@pytest.mark.parametrize("page", [1, 2**62])
@pytest.mark.parametrize(
    ("first", "position", "expected"), [(1, 7, [3, 6, 7]), (3, 7, [3, 6, 7]), (4, 7, [6, 7]), (1, 6, [3, 6])]
)
async def test_what_the_live_table_has_taken_away_is_applied(
    monkeypatch: pytest.MonkeyPatch, page: int, first: int, position: int, expected: list[int]
) -> None:
    in_quarantine(monkeypatch, next=first)
    assert await applied(Successor(), MemoryFeed(shared_and_erased(), page), position) == expected


@pytest.mark.parametrize(("left_out", "expected"), [(6, [3]), (7, [3, 6]), (1, [])])
async def test_what_the_live_table_has_left_out_too_is_not(
    monkeypatch: pytest.MonkeyPatch, left_out: int, expected: list[int]
) -> None:
    in_quarantine(monkeypatch, next=1, document_access=left_out)
    assert await applied(Successor(), MemoryFeed(shared_and_erased())) == expected


async def test_skipped_events_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    in_quarantine(monkeypatch, next=1)
    assert await applied(Successor(), MemoryFeed(shared_and_erased()), skipped={3, 5}) == [6, 7]


async def test_an_event_that_takes_nothing_from_this_read_model_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    in_quarantine(monkeypatch, next=1)
    assert await applied(Successor(), MemoryFeed(shared_and_erased()), name="another") == [7]


@pytest.mark.parametrize(
    ("topic", "expected"),
    [("document.erased", [1, 7]), ("document.saved", [7]), ("no.such", [1, 7])],
    ids=["erases", "does not", "unknown"],
)
async def test_an_event_that_cannot_be_read_is_judged_by_its_topic(
    monkeypatch: pytest.MonkeyPatch, topic: str, expected: list[int]
) -> None:
    in_quarantine(monkeypatch, next=1)
    feed = MemoryFeed(shared_and_erased())
    feed.events[0] = replace(feed.events[0], topic=topic, data=Undecodable("X"))
    assert await applied(Successor(), feed, name="another") == expected


async def test_a_table_that_cannot_apply_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    in_quarantine(monkeypatch, next=1)
    successor = Successor(bad=(6,))
    with pytest.raises(RevocationFailed, match=r"document_access .* position 6"):
        await applied(successor, MemoryFeed(shared_and_erased()))
    assert successor.applied == [3, 6]


async def test_sums_get_no_event_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    in_quarantine(monkeypatch, next=1)
    assert await applied(Successor(adds=True), MemoryFeed(shared_and_erased())) == []
