"""The policy of generations."""

from typing import Any

from application.generation.queueing import MAX_BY_KEY, WEIGHTS, GenerateText
from application.jobs import Turn
from application.policies.start_generations import start_generations
from domain.generation.generation import Generation
from domain.generation.placement import Placement
from tests.support.given import ID, NOW
from tests.support.lives.generation.generation import asked, river


def test_a_request_is_the_first_round() -> None:
    generation = asked(river(), Placement())
    [event] = generation.pending_events
    assert isinstance(event, Generation.Requested)
    [job] = start_generations(event)
    assert job == GenerateText(generation_id=generation.id, round=1, payer_id=generation.payer_id, model="swift")
    assert isinstance(job, GenerateText)
    assert job.effect_key == f"generation:{generation.id}:1"
    assert job.turn == Turn(str(generation.payer_id), "swift", WEIGHTS["free"])
    assert job.turn.lane == "swift 1"


def test_a_stand_in_waits_among_its_own() -> None:
    [job] = start_generations(asked_again(stand_in="thrifty"))
    assert isinstance(job, GenerateText)
    assert (job.model, job.turn) == ("thrifty", Turn(str(ID), "thrifty", WEIGHTS["pro"]))


def test_what_keys_of_payers_pay_waits_apart_and_each_key_has_a_limit() -> None:
    [job] = start_generations(asked_again(own_key=True))
    assert isinstance(job, GenerateText)
    assert job.turn == Turn(str(ID), "swift@own", WEIGHTS["pro"], MAX_BY_KEY)
    assert job.turn.lane == f"swift@own {WEIGHTS['pro']} {MAX_BY_KEY}"


def asked_again(**more: Any) -> Generation.RequestedAgain:
    """Another round of a generation."""
    values: dict[str, Any] = {"round": 2, "month": "2026-11", "payer_kind": "user", "payer_id": ID}
    values |= {"input_price": 1, "output_price": 2, "estimated_tokens": 200, "plan": "pro"}
    values |= {"model": "swift", **more}
    return Generation.RequestedAgain(originator_id=ID, originator_version=5, timestamp=NOW, **values)


def test_another_request_is_another_round() -> None:
    [job] = start_generations(asked_again())
    assert job == GenerateText(generation_id=ID, round=2, payer_id=ID, model="swift", plan="pro")


def test_a_job_of_before_there_were_turns_has_none() -> None:
    assert GenerateText(generation_id=ID, round=1).turn is None


def test_a_text_for_a_batch_has_no_job_of_its_own() -> None:
    [event] = asked(river(), Placement(), urgency="batch").pending_events
    assert isinstance(event, Generation.Requested)
    assert [*start_generations(event)] == []
