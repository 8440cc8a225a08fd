"""One attempt of a worker, and the commands that end it."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from application.commands import Command
from application.generation.answering import Answering, StoppedText, TextOutcome
from application.generation.attempts import EndAttempt, RecordAnswer, TextUse, VariantAnswer, uncounted
from application.generation.canary import RulesLeaked
from application.generation.moderating import TextRefusal, WithholdText, judge_text
from application.generation.stopping import to_its_end
from application.known_roots import KnownRoots
from application.ports import (
    AnswerCut,
    AnswerEnd,
    BatchAnswer,
    BatchResult,
    Busy,
    InFlight,
    KeyRefused,
    Message,
    Moderation,
    NotAsked,
    Prompt,
    Provider,
    SendAsUser,
    TextPiece,
    TokenCounter,
    Unavailable,
)
from domain.generation.events import Failure
from domain.generation.generation import Generation
from domain.generation.refusing import VariantRefusal

STORE_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Seconds between tries to store the start of an attempt, or what it has given."""

JudgedOutcome = TextOutcome | TextRefusal
"""The end of a text that may be given out, or why it is not, or why there is none."""


def request_name(generation: Generation, attempt: int, variant: int) -> str:
    """Return our name of a request to the provider."""
    name = f"{generation.id}-{attempt}"
    return name if generation.variants == 1 else f"{name}-{variant}"


class Attempt:
    """An attempt that has started. `job_key`: the effect key of its job; `known`: what the job has loaded.

    `has_refused`: it has ended without a text, and some of what was written is refused.
    """

    def __init__(
        self,
        job_key: str,
        generation: Generation,
        number: int,
        prompt_tokens: int,
        tokens: TokenCounter,
        send: SendAsUser,
        known: KnownRoots,
    ) -> None:
        self.number = number
        self.has_refused = False
        self._prompt_tokens = prompt_tokens
        self._key = f"{job_key}:{number}"
        self._generation = generation
        self._tokens = tokens
        self._send = send
        self._known = known

    async def make(self, provider: Provider, moderation: Moderation, answering: Answering, prompt: Prompt) -> None:
        """Let the provider write.

        Raises:
            Unavailable: it did not, and another attempt may help.
        """
        try:
            await answering.run(
                lambda variant: provider.answer(
                    replace(prompt, request_id=request_name(self._generation, self.number, variant))
                )
            )
        except asyncio.CancelledError:
            # The worker stops: an answer that takes too long is ended by the provider's adapter.
            await answering.keep_rest()
            await self._end("lost", await self._uses(answering), is_try=False)
            raise
        failure = await to_its_end(self._end_with(answering, moderation))
        if failure is not None:
            raise failure

    async def settle(self, results: Sequence[BatchResult], moderation: Moderation, answering: Answering) -> None:
        """Record what has come of an attempt in a batch, of each variant. Another attempt may follow."""
        if self._generation.is_open:
            await answering.run(lambda variant: _pieces(results[variant - 1]))
            await self._end_with(answering, moderation)
            return
        await self._end("cancelled", await self._uses_of(results))

    async def lose(self, results: Sequence[BatchResult]) -> None:
        """End an attempt in a batch whose texts cannot be recorded. They are paid."""
        await self._end("lost", await self._uses_of(results))

    async def end_unasked(self) -> None:
        """End the attempt before the provider is asked."""
        await self._end("lost", [], is_try=False)

    async def _end_with(self, answering: Answering, moderation: Moderation) -> Unavailable | None:
        """Record what has come of the attempt. Returns why another attempt may help; None: none follows."""
        outcomes, texts, uses = answering.ends, answering.texts, await self._uses(answering)
        if any(isinstance(outcome, StoppedText) for outcome in outcomes):
            await self._end("cancelled", uses)
            return None
        own_key, ended = self._generation.own_key, zip(outcomes, texts, strict=True)
        judged = await asyncio.gather(*[_judged(outcome, text, moderation, own_key) for outcome, text in ended])
        refusals = [outcome for outcome in judged if isinstance(outcome, TextRefusal)]
        answers = [text for outcome, text in zip(judged, texts, strict=True) if isinstance(outcome, AnswerEnd)]
        may_help = any(isinstance(outcome, Unavailable) for outcome in judged)
        if any(text.strip() for text in answers) or (answers and not refusals and not may_help):
            await self._record(judged, texts, uses)
            return None
        return await self._give_up(judged, refusals, uses)

    async def _give_up(
        self, judged: Sequence[JudgedOutcome], refusals: Sequence[TextRefusal], uses: Sequence[TextUse]
    ) -> Unavailable | None:
        """End the attempt without a text. Returns as `_end_with`."""
        failures = [outcome for outcome in judged if isinstance(outcome, Unavailable)]
        if refusals and not failures:
            await self._withhold(refusals, uses)
            return None
        # A cut one has cost something that only we have counted.
        failures.sort(key=lambda failure: not isinstance(failure, AnswerCut))
        is_try = any(not isinstance(outcome, NotAsked) for outcome in judged)
        failure = _name_of(failures[0] if failures else None)
        may_follow = await self._end(failure, uses, is_try=is_try, refusals=_refused(judged))
        self.has_refused = bool(refusals)
        return failures[0] if may_follow and failures else None

    async def _record(self, judged: Sequence[JudgedOutcome], texts: Sequence[str], uses: Sequence[TextUse]) -> None:
        answers = [
            _answer(outcome, text, use) if isinstance(outcome, AnswerEnd) else use
            for outcome, text, use in zip(judged, texts, uses, strict=True)
        ]
        command = RecordAnswer(
            generation_id=self._generation.id, attempt=self.number, answers=answers, refusals=_refused(judged)
        )
        await self._store(command, "answer")

    async def _withhold(self, refusals: Sequence[TextRefusal], uses: Sequence[TextUse]) -> None:
        """End the generation without giving its texts out, for the first reason and all its categories."""
        reason = refusals[0].reason
        named = [category for each in refusals if each.reason == reason for category in each.categories]
        command = WithholdText(
            generation_id=self._generation.id,
            attempt=self.number,
            refused=reason,
            categories=tuple(dict.fromkeys(named)),
            used=uses,
        )
        await self._store(command, "withhold")

    async def _uses(self, answering: Answering) -> list[TextUse]:
        """Return what each text has used until now."""
        ended = zip(answering.ends, answering.texts, strict=True)
        return [await self._use_of(outcome, text) for outcome, text in ended]

    async def _uses_of(self, results: Sequence[BatchResult]) -> list[TextUse]:
        """Return what each text of a batch has used."""
        ends = [(result.end, result.text) if isinstance(result, BatchAnswer) else (result, "") for result in results]
        return [await self._use_of(end, text) for end, text in ends]

    async def _use_of(self, outcome: TextOutcome, text: str) -> TextUse:
        """Return what a text has used: as the provider counted, or else by our own count."""
        if isinstance(outcome, AnswerEnd) and outcome.usage is not None:
            return TextUse(outcome.usage.input_tokens, outcome.usage.output_tokens)
        has_begun = isinstance(outcome, AnswerEnd | AnswerCut | RulesLeaked | StoppedText)
        sent, written = self._prompt_tokens if has_begun else 0, await count(self._tokens, text)
        return TextUse(sent, written, is_counted=not (sent or written))

    async def _end(
        self,
        failure: Failure,
        uses: Sequence[TextUse],
        *,
        is_try: bool = True,
        refusals: Sequence[VariantRefusal] = (),
    ) -> bool:
        """End the attempt without a text. Returns whether another one may follow."""
        command = EndAttempt(
            generation_id=self._generation.id,
            attempt=self.number,
            failure=failure,
            input_tokens=sum(each.input_tokens for each in uses),
            output_tokens=sum(each.output_tokens for each in uses),
            is_try=is_try,
            uncounted=uncounted(uses),
            refusals=refusals,
        )
        return bool((await self._store(command, "end")).is_open)

    async def _store(self, command: Command[Any], step: str) -> Any:
        return await store(self._send, command, f"{self._key}:{step}", self._generation.asker_id, self._known)


async def store(send: SendAsUser, command: Command[Any], key: str, user_id: UUID, known: KnownRoots) -> Any:
    """Send a command, again and again during a short outage.

    An attempt whose start is not known here, or whose text is not stored, costs money for nothing.

    Raises:
        Unavailable, Busy, InFlight: it could not be carried out for a minute.
    """
    for pause in STORE_PAUSES:
        try:
            return await send(command, key, user_id, known)
        except (Unavailable, Busy, InFlight):
            await asyncio.sleep(pause)
    return await send(command, key, user_id, known)


async def count(tokens: TokenCounter, text: str) -> int:
    """Return the tokens of an answer, by our own count."""
    return await tokens.count([Message("assistant", text)]) if text else 0


async def _pieces(result: BatchResult) -> AsyncGenerator[TextPiece | AnswerEnd, None]:
    """Yield a text of a batch as if it were written now. Raises as `application.ports.Provider.answer`."""
    if not isinstance(result, BatchAnswer):
        raise result
    yield TextPiece(result.text)
    yield result.end


async def _judged(outcome: TextOutcome, text: str, moderation: Moderation, own_key: bool) -> JudgedOutcome:
    """Return what comes of a text. One that moderation does not judge is not given out."""
    if isinstance(outcome, RulesLeaked):
        return TextRefusal("leaked_rules")
    if isinstance(outcome, KeyRefused) and own_key:
        return TextRefusal("own_key")
    if not isinstance(outcome, AnswerEnd) or not text.strip():
        return outcome
    try:
        categories = await judge_text(moderation, text)
    except Unavailable as outage:
        return outage
    return TextRefusal("unsafe_text", categories) if categories else outcome


def _answer(end: AnswerEnd, text: str, use: TextUse) -> VariantAnswer:
    return VariantAnswer(
        text=text,
        ending=end.reason,
        input_tokens=use.input_tokens,
        output_tokens=use.output_tokens,
        is_sandbox=end.is_sandbox,
        is_counted=use.is_counted,
    )


def _name_of(failure: Unavailable | None) -> Failure:
    """Return the name of a failure; None: the provider refused."""
    if failure is None:
        return "refused"
    return "cut" if isinstance(failure, AnswerCut) else "unavailable"


def _refused(judged: Sequence[JudgedOutcome]) -> list[VariantRefusal]:
    """Return which texts are refused, of several."""
    return [
        VariantRefusal(number, outcome.reason, outcome.categories)
        for number, outcome in enumerate(judged, start=1)
        if isinstance(outcome, TextRefusal)
    ]
