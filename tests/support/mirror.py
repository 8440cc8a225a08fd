"""Policies for tests, with the job and the aggregate that they cause: a mirror has a line for each line of its note."""

from typing import Literal
from uuid import UUID, uuid5

import msgspec

from application.commands import Command, handles
from application.jobs import Job
from application.policy import Policy, Reaction, Step, policy
from application.ports import Store
from domain.kernel import Conflict, FirstEvent, NotFound, Party, Root
from tests.support.note import AUTHOR, NOW, Note

REGISTRY: dict[str, Policy] = {}


class Mirror(Root):
    """Counts the lines of a note."""

    TOPIC = "mirror"

    class Opened(FirstEvent):
        TOPIC = "mirror.opened"

        def apply(self, aggregate: "Mirror") -> None:
            aggregate.lines = 1

    class Grown(Root.Event):
        TOPIC = "mirror.grown"

        def apply(self, aggregate: "Mirror") -> None:
            aggregate.lines += 1

    lines: int

    @staticmethod
    def id_of(note_id: UUID) -> UUID:
        return uuid5(note_id, "mirror")


class NotThisLine(Conflict):
    """The line is not to be mirrored."""


class Reflect(Command[None]):
    """Add a line to the mirror of a note. A repeat adds another one, unless its key is known."""

    note_id: UUID
    line: str = ""


@handles
async def reflect(cmd: Reflect, store: Store) -> None:
    if cmd.line == "!refuse":
        raise NotThisLine("Any other line.")
    try:
        mirror = await store.get(Mirror, Mirror.id_of(cmd.note_id))
        mirror.trigger_event(Mirror.Grown, now=NOW)
    except NotFound:
        mirror = Mirror.start_stream(Mirror.Opened, id=Mirror.id_of(cmd.note_id), tenant=Party("user", AUTHOR), now=NOW)
    store.save(mirror)


class Announce(Job, frozen=True, kw_only=True):
    """Announces one line of a note."""

    kind = "announce"
    note_id: UUID
    version: int
    text: str = ""

    @property
    def effect_key(self) -> str:
        return f"{self.note_id}:{self.version}"


@policy(registry=REGISTRY)
def announce(event: Note.Written | Note.Extended) -> list[Reaction]:
    """A job for each line. The line "!raise" breaks it; the line "nul: \\0" is refused by the database."""
    line = event.line if isinstance(event, Note.Extended) else ""
    if line == "!raise":
        raise RuntimeError("not this one")
    text = line if line.startswith("nul") else ""
    return [Announce(note_id=event.originator_id, version=event.originator_version, text=text)]


@policy(registry=REGISTRY)
def mirror(event: Note.Written | Note.Extended) -> list[Reaction]:
    """A command for each line, and a job after it; for the line "twice" two of each."""
    line = event.line if isinstance(event, Note.Extended) else ""
    once: list[Reaction] = [
        Reflect(note_id=event.originator_id, line=line),
        Announce(note_id=event.originator_id, version=event.originator_version),
    ]
    return once * 2 if line == "twice" else once


class Seen(msgspec.Struct):
    """What `count` remembers of a note."""

    lines: int = 0
    last: Literal["", "odd", "even"] = ""


@policy(registry=REGISTRY)
def count(event: Note.Written | Note.Extended | Note.Relabelled, seen: Seen) -> Step[Seen]:
    """Cause a job at each third line, and start counting again."""
    if isinstance(event, Note.Relabelled):
        return Step(None)
    lines = seen.lines + 1
    after = Seen(lines, "odd" if lines % 2 else "even")
    if lines < 3:
        return Step(after)
    return Step(Seen(), [Announce(note_id=event.originator_id, version=event.originator_version)])


@policy(since="beginning", key=lambda event: AUTHOR, registry=REGISTRY)
def count_all(event: Note.Written, seen: Seen) -> Step[Seen]:
    """One state for all notes, from the beginning of the log."""
    return Step(Seen(seen.lines + 1))


ANNOUNCE, MIRROR, COUNT, COUNT_ALL = (REGISTRY[name] for name in ("announce", "mirror", "count", "count_all"))
