"""Policy: a requested generation becomes a job. One for a batch waits until `SubmitBatches` takes it."""

from collections.abc import Iterable

from application.generation.queueing import GenerateText
from application.policy import Reaction, policy
from domain.generation.generation import Generation


@policy()
def start_generations(event: Generation.Requested | Generation.RequestedAgain) -> Iterable[Reaction]:
    if event.latest_at is not None:
        return
    yield GenerateText(
        generation_id=event.originator_id,
        round=getattr(event, "round", 1),
        payer_id=event.payer_id,
        model=event.stand_in or event.model,
        plan=event.plan,
        own_key=event.own_key,
    )
