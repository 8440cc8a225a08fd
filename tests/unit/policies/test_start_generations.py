"""The policy of generations."""

from typing import Any

from application.generation.generation_jobs import GenerateText
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
    assert job == GenerateText(generation_id=generation.id, round=1)
    assert isinstance(job, GenerateText)
    assert job.effect_key == f"generation:{generation.id}:1"


def test_another_request_is_another_round() -> None:
    values: dict[str, Any] = {"round": 2, "month": "2026-11", "payer_kind": "user", "payer_id": ID}
    values |= {"input_price": 1, "output_price": 2, "estimated_tokens": 200}
    event = Generation.RequestedAgain(originator_id=ID, originator_version=5, timestamp=NOW, **values)
    assert [*start_generations(event)] == [GenerateText(generation_id=ID, round=2)]
