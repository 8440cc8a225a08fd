"""Jobs of generations: let a model write a text, and give up what no worker has ended.

A job that is performed again starts another attempt, unless the generation has ended: its state decides, so a text is
written once. An attempt whose worker was lost is charged with what was kept of its text.
"""

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

from application.commands import Command
from application.generation.answering import Answering
from application.generation.attempts import EndAttempt, ExpireGeneration, RecordAnswer, StartAttempt
from application.generation.canary import LeakDetector, RulesLeaked, canary_of
from application.generation.moderating import WithholdText, judge_prompt, judge_text
from application.generation.prompting import prompt_of
from application.generation.provider_key import used_key
from application.idempotency import KeyedHash
from application.jobs import Job, Retries, ScheduledJob, performs, report_unread
from application.ports import (
    ANSWER_TIMEOUT,
    AnswerCut,
    AnswerEnd,
    Busy,
    Clock,
    EventStore,
    InFlight,
    KeyRefused,
    Message,
    Moderation,
    NotAsked,
    PartialTexts,
    Prompt,
    PromptRefused,
    Provider,
    SendAsSystem,
    SendAsUser,
    TokenCounter,
    Unavailable,
    UnfinishedGenerations,
    UnknownModel,
    Unreadable,
    Usage,
)
from domain.content.document import Document
from domain.generation.events import Failure, RefusalReason
from domain.generation.generation import Generation

STORE_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Seconds between tries to store what an attempt has given."""


class GenerateText(Job, frozen=True, kw_only=True):
    """Let a model write the text of a generation. `round`: how often it was requested."""

    kind: ClassVar[str] = "generate_text"
    queue: ClassVar[str] = "generation"
    run_timeout: ClassVar[timedelta] = ANSWER_TIMEOUT + timedelta(minutes=4)
    """Two judgements of moderation, an answer, and the time to store it."""
    retries: ClassVar[Retries] = Retries((1, 2, 4, 8, 16, 60), repeat_last=True)
    """The generation counts its tries itself: an attempt that has not asked the provider is none."""

    generation_id: UUID
    round: int

    @property
    def effect_key(self) -> str:
        """The generation: its state shows what was done."""
        return f"generation:{self.generation_id}:{self.round}"

    @property
    def lock(self) -> str | None:
        """One worker at a time writes a generation."""
        return f"generation:{self.generation_id}"


class ExpireGenerations(ScheduledJob, frozen=True, kw_only=True):
    """Give up the generations that no worker has ended in time."""

    kind: ClassVar[str] = "expire_generations"
    queue: ClassVar[str] = "housekeeping"
    run_timeout: ClassVar[timedelta] = timedelta(minutes=5)
    every: ClassVar[str | None] = "*/5 * * * *"


@performs
async def expire_generations(
    job: ExpireGenerations, unfinished: UnfinishedGenerations, send: SendAsSystem, clock: Clock
) -> None:
    """Send the command for each. One that has ended since is left as it is.

    Raises:
        JobFailed: some cannot be read; all others are done.
    """
    unread = []
    for id in await unfinished.lost(clock()):
        try:
            await send(ExpireGeneration(generation_id=id), f"expire:{id}:{clock():%Y-%m-%dT%H:%M}")
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
) -> None:
    """Make one attempt.

    Raises:
        Unavailable: the attempt failed, and another one may help.
    """
    generation = await events.load(Generation, job.generation_id)
    if generation is None or not (generation.is_open or generation.attempt_is_open or generation.erased):
        return
    lost_text = await partial_texts.read(job.generation_id, generation.attempt, 0)
    canary = canary_of(digests, generation.id)
    plan = await _planned(generation, canary, events, moderation)
    attempt = await _started(job, generation, plan, lost_text, tokens, send_as_user)
    if attempt is not None and plan.prompt is not None:
        leaks = LeakDetector(canary)
        answering = Answering(events, partial_texts, job.generation_id, attempt.number, leaks)
        await attempt.make(provider, moderation, answering, plan.prompt)
    last = generation.attempt if attempt is None else attempt.number
    await partial_texts.remove(job.generation_id, last)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be sent; None: nothing. `refused`: why it is not sent after all, and moderation's `categories`."""

    prompt: Prompt | None = None
    refused: RefusalReason | None = None
    categories: tuple[str, ...] = ()


async def _planned(generation: Generation, canary: str, events: EventStore, moderation: Moderation) -> _Plan:
    """Return what the next attempt sends, as things are now. Raises `Unavailable`."""
    document = await events.load(Document, generation.document_id)
    if document is None or not generation.is_open:
        return _Plan()
    prompt = prompt_of(generation, document, canary)
    if categories := await judge_prompt(moderation, generation):
        return _Plan(prompt, "unsafe_prompt", categories)
    if not generation.own_key:
        return _Plan(prompt)
    key = await used_key(events, generation.payer)
    return _Plan(prompt, "own_key") if key is None else _Plan(replace(prompt, key=key.key))


async def _started(
    job: GenerateText,
    generation: Generation,
    plan: _Plan,
    lost_text: str,
    tokens: TokenCounter,
    send: SendAsUser,
) -> "_Attempt | None":
    """Start an attempt; None: the generation has ended, or is another round's."""
    prompt_tokens = 0 if plan.prompt is None else await tokens.count(plan.prompt.messages)
    command = StartAttempt(
        generation_id=generation.id,
        round=job.round,
        lost_tokens=await _count(tokens, lost_text),
        prompt_tokens=prompt_tokens,
        refused=plan.refused,
        categories=plan.categories,
    )
    # By the version: a repeat of this try starts the same attempt, another try another one.
    state = await send(command, f"{job.effect_key}:start:{generation.version}", generation.asker_id)
    if state.attempt is None:
        return None
    return _Attempt(job, generation, state.attempt, prompt_tokens, tokens, send)


class _Attempt:
    """An attempt of a worker, and the commands that end it."""

    def __init__(
        self,
        job: GenerateText,
        generation: Generation,
        number: int,
        prompt_tokens: int,
        tokens: TokenCounter,
        send: SendAsUser,
    ) -> None:
        self.number = number
        self._prompt_tokens = prompt_tokens
        self._key = f"{job.effect_key}:{number}"
        self._generation = generation
        self._tokens = tokens
        self._send = send

    async def make(self, provider: Provider, moderation: Moderation, answering: Answering, prompt: Prompt) -> None:
        """Let the provider write.

        Raises:
            Unavailable: it did not, and another attempt may help.
        """
        try:
            end = await answering.run(provider.answer(prompt))
        except (PromptRefused, UnknownModel) as error:
            used = await self._used(0, answering.text)
            if isinstance(error, KeyRefused) and prompt.key is not None:
                await self._withhold("own_key", (), self._generation.model, used)
            else:
                await self._end("refused", used)
        except RulesLeaked:
            used = await self._used(self._prompt_tokens, answering.text)
            await self._withhold("leaked_rules", (), self._generation.model, used)
        except NotAsked:
            if await self._end("unavailable", Usage(0, 0), is_try=False):
                raise
        except Unavailable as error:
            is_cut = isinstance(error, AnswerCut)
            used = await self._used(self._prompt_tokens if is_cut else 0, answering.text)
            if await self._end("cut" if is_cut else "unavailable", used):
                raise
        except asyncio.CancelledError:
            # The worker stops: an answer that takes too long is ended by the provider's adapter.
            await self._end("lost", await self._used(self._prompt_tokens, answering.text), is_try=False)
            raise
        else:
            if end is None:
                await self._end("cancelled", await self._used(self._prompt_tokens, answering.text))
            else:
                await self._record(end, answering.text, moderation)

    async def _record(self, end: AnswerEnd, text: str, moderation: Moderation) -> None:
        """Store the text, unless moderation refuses it.

        Raises:
            Unavailable: there is no judgement, and another attempt may follow.
        """
        used = end.usage or await self._used(self._prompt_tokens, text)
        if not text.strip():
            await self._end("empty", used)
            return
        model = end.model or self._generation.model
        try:
            categories = await judge_text(moderation, text)
        except Unavailable:
            if await self._end("unavailable", used):
                raise
            return
        if categories:
            await self._withhold("unsafe_text", categories, model, used)
            return
        command = RecordAnswer(
            generation_id=self._generation.id,
            attempt=self.number,
            text=text,
            model=model,
            ending=end.reason,
            input_tokens=used.input_tokens,
            output_tokens=used.output_tokens,
            is_sandbox=end.is_sandbox,
        )
        await self._store(command, "answer")

    async def _withhold(self, refused: RefusalReason, categories: tuple[str, ...], model: str, used: Usage) -> None:
        """End the generation without giving its text out."""
        command = WithholdText(
            generation_id=self._generation.id,
            attempt=self.number,
            refused=refused,
            categories=categories,
            model=model,
            input_tokens=used.input_tokens,
            output_tokens=used.output_tokens,
        )
        await self._store(command, "withhold")

    async def _used(self, input_tokens: int, text: str) -> Usage:
        """Return what a text has used, by our own count."""
        return Usage(input_tokens, await _count(self._tokens, text))

    async def _end(self, failure: Failure, used: Usage, *, is_try: bool = True) -> bool:
        """End the attempt without a text. Returns whether another one may follow."""
        command = EndAttempt(
            generation_id=self._generation.id,
            attempt=self.number,
            failure=failure,
            input_tokens=used.input_tokens,
            output_tokens=used.output_tokens,
            is_try=is_try,
        )
        return bool((await self._store(command, "end")).is_open)

    async def _store(self, command: Command[Any], step: str) -> Any:
        """Send a command, again and again during a short outage: to write the text again would cost money.

        Raises:
            Unavailable, Busy, InFlight: it could not be carried out for a minute.
        """
        for pause in STORE_PAUSES:
            try:
                return await self._send(command, f"{self._key}:{step}", self._generation.asker_id)
            except (Unavailable, Busy, InFlight):
                await asyncio.sleep(pause)
        return await self._send(command, f"{self._key}:{step}", self._generation.asker_id)


async def _count(tokens: TokenCounter, text: str) -> int:
    return await tokens.count([Message("assistant", text)]) if text else 0
