"""Jobs of generations: let a model write a text, and give up what no worker has ended.

A job that is performed again starts another attempt, unless the generation has ended: its state decides, so a text is
written once. An attempt whose worker was lost is charged with what was kept of its text.
"""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, ClassVar

import msgspec

from application.generation.answering import Answering
from application.generation.attempting import Attempt, count, store
from application.generation.attempts import ExpireGeneration, StartAttempt
from application.generation.canary import canary_of
from application.generation.planning import AttemptPlan, planned
from application.generation.queueing import GenerateText
from application.generation.stopping import to_its_end
from application.idempotency import KeyedHash
from application.jobs import ScheduledJob, performs, report_unread
from application.known_roots import KnownRoots
from application.ports import (
    AttemptText,
    Clock,
    EventStore,
    JobQueue,
    Moderation,
    PartialTexts,
    Provider,
    SendAsSystem,
    SendAsUser,
    TokenCounter,
    Unavailable,
    UnfinishedGenerations,
    UnknownModel,
    Unreadable,
)
from domain.generation.generation import Generation


class ExpireGenerations(ScheduledJob, frozen=True, kw_only=True):
    """Give up the generations that no worker has ended in time."""

    kind: ClassVar[str] = "expire_generations"
    queue: ClassVar[str] = "housekeeping"
    run_timeout: ClassVar[timedelta] = timedelta(minutes=5)
    every: ClassVar[str | None] = "*/5 * * * *"


@performs
async def expire_generations(
    job: ExpireGenerations,
    unfinished: UnfinishedGenerations,
    events: EventStore,
    partial_texts: PartialTexts,
    tokens: TokenCounter,
    send: SendAsSystem,
    clock: Clock,
) -> None:
    """Send the command for each. One that has ended since is left as it is.

    Raises:
        JobFailed: some cannot be read; all others are done.
    """
    unread = []
    for id in await unfinished.lost(clock()):
        try:
            generation = await events.load(Generation, id)
            lost = 0 if generation is None else await _lost_tokens(generation, partial_texts, tokens)
            command = ExpireGeneration(generation_id=id, lost_tokens=lost)
            await send(command, f"expire:{id}:{clock():%Y-%m-%dT%H:%M}")
        except Unreadable:
            unread.append(id)
    report_unread(unread)


@performs
async def generate_text(
    job: GenerateText,
    events: EventStore,
    provider: Provider,
    moderation: Moderation,
    tokens: TokenCounter,
    digests: KeyedHash,
    partial_texts: PartialTexts,
    send_as_user: SendAsUser,
    queue: JobQueue,
) -> None:
    """Make one attempt, or let the generation wait for a fallback while its model does not answer.

    Raises:
        Unavailable: the attempt failed, and another one may help.
    """
    generation = await events.load(Generation, job.generation_id)
    if generation is None:
        return
    if not (generation.is_open or generation.attempt_is_open or generation.erased):
        await partial_texts.remove(generation.id, generation.attempt)
        return
    model = await _model_of(job, generation, provider, queue)
    if model is None:
        return
    lost_tokens, last = await _lost_tokens(generation, partial_texts, tokens), generation.attempt
    canary = canary_of(digests, generation.id)
    plan = await planned(generation, canary, events, moderation, model)
    attempt = await _started_unless_stopped(_started(job, generation, plan, lost_tokens, model, tokens, send_as_user))
    if attempt is not None and plan.prompt is not None:
        answering = Answering(events, partial_texts, generation.id, attempt.number, generation.variants, canary)
        try:
            await attempt.make(provider, moderation, answering, plan.prompt)
        except Unavailable:
            # What was kept is shown until the next attempt, but not if some of it is refused.
            if attempt.has_refused:
                await partial_texts.remove(job.generation_id, attempt.number)
            raise
    await partial_texts.remove(job.generation_id, last if attempt is None else attempt.number)


async def _lost_tokens(generation: Generation, partial_texts: PartialTexts, tokens: TokenCounter) -> int:
    """Return the tokens of what was kept of the texts of the last attempt."""
    if not generation.attempt_is_open:
        return 0
    variants = range(1, generation.variants + 1)
    kept = [AttemptText(generation.id, generation.attempt, each) for each in variants]
    texts = await asyncio.gather(*[partial_texts.read(each, 0) for each in kept])
    return sum([await count(tokens, text) for text in texts])


async def _model_of(job: GenerateText, generation: Generation, provider: Provider, queue: JobQueue) -> str | None:
    """Return the model to ask; None: it is another one now, for which the generation waits by another job.

    So pauses and limits are those of the model that is asked. A fallback that is paused is not waited for. A model that
    has left the catalogue is not asked: the attempt ends if it is the one that is to write. Where the payer's own key
    pays, no other one stands in; jobs that were kept before they said so do not know of the key.
    """
    if job.own_key or generation.own_key:
        return generation.writer
    model = job.model or generation.writer
    if job.turn is None or not generation.is_open or job.round != generation.round:
        return model
    try:
        open_models = provider.open_models(generation.writer)
    except UnknownModel:
        return generation.writer
    if model in open_models:
        return model
    paused = await queue.paused(open_models)
    other = next((each for each in open_models if each not in paused), None)
    if other is None:
        return model if _is_known(model, provider) else generation.writer
    await queue.enqueue(msgspec.structs.replace(job, model=other))
    return None


def _is_known(model: str, provider: Provider) -> bool:
    try:
        provider.open_models(model)
    except UnknownModel:
        return False
    return True


async def _started_unless_stopped(start: Coroutine[Any, Any, Attempt | None]) -> Attempt | None:
    """Start an attempt. A worker that has to stop meanwhile ends it: the provider is not asked, nothing is paid."""
    started: list[Attempt] = []

    async def begin() -> None:
        attempt = await start
        started.extend([] if attempt is None else [attempt])

    try:
        await to_its_end(begin())
    except asyncio.CancelledError:
        for attempt in started:
            await attempt.end_unasked()
        raise
    return started[0] if started else None


async def _started(
    job: GenerateText,
    generation: Generation,
    plan: AttemptPlan,
    lost_tokens: int,
    model: str,
    tokens: TokenCounter,
    send: SendAsUser,
) -> Attempt | None:
    """Start an attempt; None: the generation has ended, or is another round's."""
    prompt_tokens = 0 if plan.prompt is None else await tokens.count(plan.prompt.messages)
    command = StartAttempt(
        generation_id=generation.id,
        round=job.round,
        lost_tokens=lost_tokens,
        prompt_tokens=prompt_tokens,
        refused=plan.refused,
        categories=plan.categories,
        model=model,
    )
    known = KnownRoots(generation, *([] if plan.document is None else [plan.document]))
    # By the version: a repeat of this try starts the same attempt, another try another one.
    state = await store(send, command, f"{job.effect_key}:start:{generation.version}", generation.asker_id, known)
    if state.attempt is None:
        return None
    return Attempt(job.effect_key, generation, state.attempt, prompt_tokens, tokens, send, known)
