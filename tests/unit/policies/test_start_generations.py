"""The policy of generations."""

from typing import Any

from application.generation.queueing import WEIGHTS, GenerateText
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


def test_another_request_is_another_round() -> None:
    values: dict[str, Any] = {"round": 2, "month": "2026-11", "payer_kind": "user", "payer_id": ID}
    values |= {"input_price": 1, "output_price": 2, "estimated_tokens": 200, "plan": "pro"}
    values |= {"model": "swift"}
    event = Generation.RequestedAgain(originator_id=ID, originator_version=5, timestamp=NOW, **values)
    [job] = start_generations(event)
    assert job == GenerateText(generation_id=ID, round=2, payer_id=ID, model="swift", plan="pro")


def test_a_job_of_before_there_were_turns_has_none() -> None:
    assert GenerateText(generation_id=ID, round=1).turn is None
