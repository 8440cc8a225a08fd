"""The invariants of generations, as pure checks of the evidence. They are void where no worker is at work.

They are judged by three independent sources: the log, the provider's ledger, and what watchers saw.
"""

from collections import Counter, defaultdict
from itertools import groupby
from math import inf
from typing import Any
from uuid import UUID

from domain.billing.budget import Budget
from domain.content.document import Document
from domain.generation.generation import Generation
from tests.chaos.evidence import WORKER, Evidence
from tests.chaos.ledger import Watched
from tests.chaos.verdicts import Check, Verdicts, holds
from tests.support.billing_provider import BilledCall, pieces_of

ASKS = ("generate", "retry")
"""The requests that are accepted with an event; others that are accepted leave a job."""
ENDS = ("done", "dead", "cancelled")


def every_accepted_text_is_requested_once_and_ends(evidence: Evidence) -> Verdicts:
    """A request that was accepted is in the log once; at the end it is done, dead or cancelled, and not open."""
    if evidence.work is None:
        return
    requested = Counter(
        event.attempt
        for event in evidence.log
        if isinstance(event.data, Generation.Requested | Generation.RequestedAgain)
    )
    for operation, attempts in evidence.ledger.operations().items():
        if attempts[0].asked.kind in ASKS and any(attempt.accepted for attempt in attempts):
            count = sum(requested[attempt.asked.attempt] for attempt in attempts)
            yield holds(count == 1, f"{attempts[0].asked.kind} {operation} is {count} times in the log")
    for id, generation in _generations(evidence).items():
        is_over = generation.status in ENDS and not generation.attempt_is_open
        yield holds(is_over, f"generation {id} is {generation.status} ({generation.failure})")


def budgets_add_up(evidence: Evidence) -> Verdicts:
    """Reserved is settled, released or open; and budgets have been charged with what the generations have cost."""
    if evidence.work is None:
        return
    spent: defaultdict[UUID, list[int]] = defaultdict(lambda: [0, 0])
    reserved: defaultdict[UUID, set[UUID]] = defaultdict(set)
    for event in evidence.log:
        match event.data:
            case Budget.Reserved(generation_id=id):
                reserved[event.stream_id].add(id)
            case Budget.Settled(generation_id=id) | Budget.Released(generation_id=id):
                yield holds(id in reserved[event.stream_id], f"{event.topic} at {event.position}: none is reserved")
                reserved[event.stream_id].discard(id)
        if isinstance(event.data, Budget.Charged | Budget.Settled):
            spent[event.data.generation_id][0] += event.data.tokens
            spent[event.data.generation_id][1] += event.data.micros
    generations = _generations(evidence)
    for id, generation in generations.items():
        cost = [generation.cost.tokens, generation.cost.micros]
        yield holds(spent[id] == cost, f"generation {id} has cost {cost}, and budgets say {spent[id]}")
    for budget_id, ids in reserved.items():
        over = {id for id in ids if id not in generations or not generations[id].is_open}
        yield holds(not over, f"budget {budget_id} keeps reservations of {len(over)} generations that are over")


def the_provider_is_asked_again_only_after_a_kill(evidence: Evidence) -> Verdicts:
    """Each request of a text is one call. One more may follow each kill since it was first attempted, and each
    hand-over by a worker that was stopped and could not end in time.
    """
    if evidence.work is None:
        return
    calls, handed_over, attempted = _calls(evidence), Counter[UUID](), dict[UUID, float]()
    for event in evidence.log:
        if isinstance(event.data, Generation.AttemptStarted):
            attempted.setdefault(event.stream_id, event.data.timestamp.timestamp())
        if isinstance(event.data, Generation.AttemptEnded) and not event.data.is_try:
            handed_over[event.stream_id] += 1
    for id, generation in _generations(evidence).items():
        times = [call.asked.at for call in calls[id]]
        # Not since the first call: a call may reach the provider when the worker that made it is dead.
        since, until = attempted.get(id, inf), max(times, default=0.0)
        kills = [kill for kill in evidence.work.struck if since <= kill.ended and kill.began <= until]
        most = generation.round + len(kills) + handed_over[id]
        words = f"{len(times)} calls at {times}, and {most} were needed: {kills}, {handed_over[id]} handed over"
        yield holds(len(times) <= most, f"generation {id}: {words}")


def what_the_provider_billed_is_in_the_books(evidence: Evidence) -> Verdicts:
    """Each call is an attempt that was charged: with the provider's own count if the answer came."""
    if evidence.work is None:
        return
    ends: dict[tuple[UUID, int], Any] = {}
    for event in evidence.log:
        if isinstance(event.data, Generation.AttemptEnded | Generation.Answered):
            ends[event.stream_id, event.data.attempt] = event.data
    seen = set()
    for call in (call for calls in _calls(evidence).values() for call in calls):
        name, end = call.asked.request_id, ends.get((call.generation_id, call.attempt))
        yield holds(name not in seen, f"attempt {name} asked twice")
        seen.add(name)
        if isinstance(end, Generation.Answered):
            billed = (call.asked.input_tokens, call.end.output_tokens) if call.end and call.is_whole else None
            yield holds(billed == (end.input_tokens, end.output_tokens), f"attempt {name} was billed with {billed}")
        else:
            yield holds(end is not None and end.input_tokens > 0, f"attempt {name} was billed, and not charged")
    for (id, attempt), end in ends.items():
        if isinstance(end, Generation.Answered):
            yield holds(f"{id}-{attempt}" in seen, f"attempt {attempt} of {id} has a text that no model wrote")


def nothing_is_streamed_twice(evidence: Evidence) -> Verdicts:
    """A watcher gets each character of an attempt once and in order, and each new attempt is announced."""
    if evidence.work is None:
        return
    texts = _texts(evidence)
    lines = sorted(evidence.ledger.watched, key=lambda line: line.watcher)
    for watcher, events in groupby(lines, key=lambda line: line.watcher):
        attempt, text = 0, ""
        for line in events:
            name = f"{line.event} {line.attempt}-{line.offset} of watcher {watcher}"
            if line.event == "attempt":
                yield holds(line.attempt > attempt and line.offset == 0, f"{name} follows attempt {attempt}")
                attempt, text = line.attempt, ""
                continue
            text += line.text
            yield holds((line.attempt, line.offset) == (attempt, len(text)), f"{name} comes at {attempt}-{len(text)}")
            yield holds(_written(line).startswith(text), f"{name}: the provider has written another text")
            if line.event == "end" and line.status == "done":
                yield holds(text == texts.get(line.generation_id), f"{name}: the text has not come whole")


def a_document_has_each_text_once(evidence: Evidence) -> Verdicts:
    """Each text that was written is in its document once, where its generation says, and jobs save nothing else."""
    if evidence.work is None:
        return
    generations = _generations(evidence)
    contents = _contents(evidence, {generation.document_id for generation in generations.values()})
    texts = _texts(evidence)
    due: Counter[UUID] = Counter()
    for event in evidence.log:
        if isinstance(event.data, Generation.Answered | Generation.DraftAccepted) and event.data.revision is not None:
            document_id = generations[event.stream_id].document_id
            content, text = contents.get((document_id, event.data.revision), ""), texts[event.stream_id]
            name = f"version {event.data.revision} of {document_id}"
            yield holds(content.count(text) == 1, f"{name} has a text {content.count(text)} times")
            yield holds(content[event.data.start : event.data.end] == text, f"{name} has a text elsewhere")
            due[document_id] += isinstance(event.data, Generation.Answered)
    saves = Counter(e.stream_id for e in evidence.log if isinstance(e.data, Document.Saved) and e.attempt == WORKER)
    for id in due.keys() | saves.keys():
        yield holds(due[id] == saves[id], f"jobs saved {id} {saves[id]} times, and wrote {due[id]} texts")


def _generations(evidence: Evidence) -> dict[UUID, Generation]:
    """The generations as the log leaves them."""
    found: dict[UUID, Generation] = {}
    for event in evidence.log:
        if isinstance(event.data, Generation.Requested) or event.stream_id in found:
            found[event.stream_id] = event.data.mutate(found.get(event.stream_id))
    return found


def _texts(evidence: Evidence) -> dict[UUID, str]:
    """The text of each generation that was answered."""
    return {event.stream_id: event.data.text for event in evidence.log if isinstance(event.data, Generation.Answered)}


def _calls(evidence: Evidence) -> dict[UUID, list[BilledCall]]:
    assert evidence.work is not None
    found: defaultdict[UUID, list[BilledCall]] = defaultdict(list)
    for call in evidence.work.calls:
        found[call.generation_id].append(call)
    return found


def _contents(evidence: Evidence, ids: set[UUID]) -> dict[tuple[UUID, int], str]:
    """The content of each version of these documents."""
    documents: dict[UUID, Any] = {}
    found = {}
    for event in evidence.log:
        if event.stream_id in ids:
            document = documents[event.stream_id] = event.data.mutate(documents.get(event.stream_id))
            found[event.stream_id, document.revision] = document.content
    return found


def _written(line: Watched) -> str:
    """What the provider writes in an attempt."""
    return "".join(pieces_of(f"{line.generation_id}-{line.attempt}"))


CHECKS: list[tuple[int, Check]] = [
    (12, every_accepted_text_is_requested_once_and_ends),
    (8, budgets_add_up),
    (12, the_provider_is_asked_again_only_after_a_kill),
    (12, what_the_provider_billed_is_in_the_books),
    (12, nothing_is_streamed_twice),
    (12, a_document_has_each_text_once),
]
