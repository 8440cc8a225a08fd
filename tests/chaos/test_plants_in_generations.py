"""Every check of generations is seen to catch a fault: in the log, in the provider's ledger, in what watchers got."""

import dataclasses
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from domain.billing.budget import Budget
from domain.content.document import Document
from domain.generation.generation import Generation
from tests.chaos import invariants_of_generation as checks
from tests.chaos.evidence import WORKER, Evidence, Logged
from tests.chaos.ledger import Watched
from tests.chaos.real import Real, require_holding
from tests.chaos.verdicts import Check, Verdicts
from tests.chaos.work import Kill
from tests.support.billing_provider import BilledCall


def first(evidence: Evidence, kind: type[Any]) -> Logged:
    """The first event of a kind."""
    return next(event for event in evidence.log if isinstance(event.data, kind))


def without(evidence: Evidence, *left_out: Logged) -> Evidence:
    return replace(evidence, log=[event for event in evidence.log if event not in left_out])


def changed(evidence: Evidence, kind: type[Any], **values: Any) -> Evidence:
    """The first event of a kind says something else."""
    event = first(evidence, kind)
    other = replace(event, data=dataclasses.replace(event.data, **values))
    return replace(evidence, log=[other if each is event else each for each in evidence.log])


def lose_a_request(evidence: Evidence) -> Evidence:
    lost = first(evidence, Generation.Requested)
    return without(evidence, *(event for event in evidence.log if event.stream_id == lost.stream_id))


def leave_a_request_open(evidence: Evidence) -> Evidence:
    answered = first(evidence, Generation.Answered)
    later = (e for e in evidence.log if e.stream_id == answered.stream_id and e.version >= answered.version)
    return without(evidence, *later)


def keep_a_reservation(evidence: Evidence) -> Evidence:
    return without(evidence, first(evidence, Budget.Settled))


def settle_twice(evidence: Evidence) -> Evidence:
    return replace(evidence, log=[*evidence.log, first(evidence, Budget.Settled)])


def charge_more(evidence: Evidence) -> Evidence:
    return changed(evidence, Budget.Settled, micros=first(evidence, Budget.Settled).data.micros + 1)


def with_calls(evidence: Evidence, *calls: BilledCall) -> Evidence:
    assert evidence.work is not None
    return replace(evidence, work=replace(evidence.work, calls=[*calls]))


def calls_of(evidence: Evidence) -> list[BilledCall]:
    assert evidence.work is not None
    return evidence.work.calls


def ask_again(evidence: Evidence) -> Evidence:
    """A second attempt, which nothing has made necessary."""
    call = calls_of(evidence)[0]
    asked = msgspec.structs.replace(call.asked, request_id=f"{call.generation_id}-{call.attempt + 1}")
    return with_calls(evidence, *calls_of(evidence), replace(call, asked=asked))


def ask_twice_in_an_attempt(evidence: Evidence) -> Evidence:
    return with_calls(evidence, *calls_of(evidence), calls_of(evidence)[0])


def write_without_asking(evidence: Evidence) -> Evidence:
    return with_calls(evidence)


def count_otherwise(evidence: Evidence) -> Evidence:
    return changed(evidence, Generation.Answered, output_tokens=1)


def charge_nothing_for_a_lost_answer(evidence: Evidence) -> Evidence:
    """A worker was killed, and what the provider has billed until then is not in the books."""
    event = first(evidence, Generation.Answered)
    said = {"attempt": event.data.attempt, "failure": "lost", "input_tokens": 0, "output_tokens": 0, "cost_micros": 0}
    ended = Generation.AttemptEnded(
        originator_id=event.stream_id, originator_version=event.version, timestamp=event.data.timestamp, **said
    )
    return replace(evidence, log=[replace(e, data=ended) if e is event else e for e in evidence.log])


def with_watched(evidence: Evidence, *watched: Watched) -> Evidence:
    return replace(evidence, ledger=replace(evidence.ledger, watched=[*watched]))


def some_text(evidence: Evidence) -> Watched:
    return next(line for line in evidence.ledger.watched if line.event == "text")


def stream_a_piece_twice(evidence: Evidence) -> Evidence:
    piece = some_text(evidence)
    lines = evidence.ledger.watched
    at = lines.index(piece)
    return with_watched(evidence, *lines[:at], piece, *lines[at:])


def lose_a_piece(evidence: Evidence) -> Evidence:
    piece = some_text(evidence)
    return with_watched(evidence, *(line for line in evidence.ledger.watched if line is not piece))


def stream_another_text(evidence: Evidence) -> Evidence:
    """As many characters, of which the last one is another."""
    piece = some_text(evidence)
    other = msgspec.structs.replace(piece, text=f"{piece.text[:-1]}?")
    return with_watched(evidence, *(other if line is piece else line for line in evidence.ledger.watched))


def announce_no_attempt(evidence: Evidence) -> Evidence:
    return with_watched(evidence, *(line for line in evidence.ledger.watched if line.event != "attempt"))


def end_early(evidence: Evidence) -> Evidence:
    """The last piece of a text does not come."""
    lines = evidence.ledger.watched
    end = next(line for line in lines if line.event == "end" and line.status == "done")
    own = [line for line in lines if line.watcher == end.watcher and line.event == "text"]
    last = own[-1]
    early = msgspec.structs.replace(end, offset=last.offset - len(last.text))
    kept = (line for line in lines if line is not last)
    return with_watched(evidence, *(early if line is end else line for line in kept))


def save_by_a_job(evidence: Evidence) -> Evidence:
    """A save of a person becomes one of a job."""
    save = next(e for e in evidence.log if isinstance(e.data, Document.Saved) and e.attempt != WORKER)
    return replace(evidence, log=[replace(e, attempt=WORKER) if e is save else e for e in evidence.log])


def write_elsewhere(evidence: Evidence) -> Evidence:
    written = next(e for e in evidence.log if isinstance(e.data, Generation.Answered) and e.data.revision is not None)
    other = replace(written, data=dataclasses.replace(written.data, start=written.data.start + 1))
    return replace(evidence, log=[other if e is written else e for e in evidence.log])


CAUGHT_BY: dict[Callable[[Evidence], Evidence], Check] = {
    lose_a_request: checks.every_accepted_text_is_requested_once_and_ends,
    leave_a_request_open: checks.every_accepted_text_is_requested_once_and_ends,
    keep_a_reservation: checks.budgets_add_up,
    settle_twice: checks.budgets_add_up,
    charge_more: checks.budgets_add_up,
    ask_again: checks.the_provider_is_asked_again_only_after_a_kill,
    ask_twice_in_an_attempt: checks.what_the_provider_billed_is_in_the_books,
    write_without_asking: checks.what_the_provider_billed_is_in_the_books,
    count_otherwise: checks.what_the_provider_billed_is_in_the_books,
    charge_nothing_for_a_lost_answer: checks.what_the_provider_billed_is_in_the_books,
    stream_a_piece_twice: checks.nothing_is_streamed_twice,
    lose_a_piece: checks.nothing_is_streamed_twice,
    stream_another_text: checks.nothing_is_streamed_twice,
    announce_no_attempt: checks.nothing_is_streamed_twice,
    end_early: checks.nothing_is_streamed_twice,
    save_by_a_job: checks.a_document_has_each_text_once,
    write_elsewhere: checks.a_document_has_each_text_once,
}


@pytest.mark.parametrize("spoil", CAUGHT_BY, ids=lambda spoil: spoil.__name__)
def test_a_fault_in_what_generations_left_is_caught(spoil: Callable[[Evidence], Evidence], real: Real) -> None:
    verdicts = CAUGHT_BY[spoil](spoil(real.outcome.evidence))
    assert any(verdict is not True for verdict in verdicts)


def test_without_a_fault_the_checks_hold_and_have_looked_at_something(real: Real) -> None:
    require_holding(checks.CHECKS, real.outcome.evidence)


def test_a_call_after_a_kill_is_no_fault(real: Real) -> None:
    again = ask_again(real.outcome.evidence)
    at = calls_of(again)[0].asked.at
    assert set(verdicts_of(again, Kill("worker", at, at))) == {True}


def test_a_call_after_a_kill_is_no_fault_if_the_first_reached_the_provider_after_the_kill(real: Real) -> None:
    again = ask_again(real.outcome.evidence)
    at = attempted_at(again)
    assert at < calls_of(again)[0].asked.at
    assert set(verdicts_of(again, Kill("worker", at, at))) == {True}


def test_a_kill_before_an_attempt_excuses_no_second_call(real: Real) -> None:
    again = ask_again(real.outcome.evidence)
    at = attempted_at(again) - 0.001
    assert set(verdicts_of(again, Kill("worker", at, at))) != {True}


def attempted_at(evidence: Evidence) -> float:
    """When the first attempt began of the generation that the provider was first asked for."""
    id = calls_of(evidence)[0].generation_id
    started = (e for e in evidence.log if e.stream_id == id and isinstance(e.data, Generation.AttemptStarted))
    moment: float = next(started).data.timestamp.timestamp()
    return moment


def verdicts_of(evidence: Evidence, kill: Kill) -> Verdicts:
    """The verdicts about calls when this was killed."""
    assert evidence.work is not None
    killed = replace(evidence, work=replace(evidence.work, struck=[kill]))
    return checks.the_provider_is_asked_again_only_after_a_kill(killed)
