"""A new request of a text: what several commands do alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from application.commands import PortGroup
from application.generation.canary import canary_of
from application.generation.choosing import choose
from application.generation.paying import Allowances, AttemptNeed, allowances_of, open_budget, reserve_in, terms_of
from application.generation.prompting import prompt_messages, prompt_of
from application.generation.sources import SourceText
from application.generation.used_up import NoteUsedUp
from application.idempotency import KeyedHash
from application.ports import Actor, Clock, JobQueue, Message, Models, NewId, Store, TokenCounter
from domain.billing.budget import Budget, BudgetExceeded, month_of
from domain.content.document import Document
from domain.generation.generation import Generation
from domain.generation.requesting import (
    ModelChoice,
    Quote,
    Wish,
    output_tokens_of,
    payer_of,
    request,
    request_again,
)


@dataclass(frozen=True, slots=True)
class Asking(PortGroup):
    """The ports that a request needs."""

    actor: Actor
    clock: Clock
    new_id: NewId
    models: Models
    tokens: TokenCounter
    digests: KeyedHash
    queue: JobQueue

    async def budget_for(self, store: Store, document: Document) -> Budget:
        """Return the budget that pays for texts for a document that are asked for now."""
        now = self.clock()
        return await open_budget(store, payer_of(document, self.actor.user_id), month_of(now), now)

    async def ask(
        self,
        store: Store,
        budget: Budget,
        document: Document,
        wish: Wish,
        model: ModelChoice,
        id: UUID,
        sources: Sequence[SourceText] = (),
    ) -> Generation:
        """Request a text, and reserve what it may cost.

        Raises:
            BudgetExceeded: less is left.
            Refusal: as `domain.generation.requesting.output_tokens_of`.
        """
        canary = canary_of(self.digests, id)
        messages = prompt_messages(
            canary, document.title, document.content, wish.prompt, wish.variables, wish.placement, sources
        )
        digest = self.digests(b"prompt", self.actor.user_id.bytes, wish.prompt.encode()).hex()
        now, allowances = self.clock(), await allowances_of(store, budget.payer, self.actor.user_id)
        quote = await self._quote(digest, messages, allowances)
        output_tokens = output_tokens_of(document, wish, model, quote, self.actor)
        need = AttemptNeed(model, quote.prompt_tokens, output_tokens, wish.variants)
        terms = await terms_of(budget, store, id, need, allowances, self.models)
        generation = request(document, wish, model, quote, terms, id=id, by=self.actor, now=now)
        await self._reserve(budget, generation, allowances, now)
        return generation

    async def ask_again(
        self,
        store: Store,
        budget: Budget,
        document: Document,
        generation: Generation,
        sources: Sequence[SourceText],
    ) -> None:
        """Request the text of a generation once more, and reserve what it may cost.

        Raises:
            BudgetExceeded: less is left.
            Refusal: as `domain.generation.requesting.request_again`.
        """
        prompt = prompt_of(generation, document, sources, canary_of(self.digests, generation.id))
        now, model = self.clock(), choose(self.models, generation.model)
        allowances = await allowances_of(store, budget.payer, self.actor.user_id)
        quote = await self._quote(generation.prompt_digest, prompt.messages, allowances)
        need = AttemptNeed(model, quote.prompt_tokens, generation.max_output_tokens, generation.variants)
        terms = await terms_of(budget, store, generation.id, need, allowances, self.models)
        request_again(generation, document, model, quote, terms, by=self.actor, now=now)
        await self._reserve(budget, generation, allowances, now)

    async def _quote(self, digest: str, messages: Sequence[Message], allowances: Allowances) -> Quote:
        return Quote(digest, await self.tokens.count(messages), month_of(self.clock()), allowances.plan)

    async def _reserve(self, budget: Budget, generation: Generation, allowances: Allowances, now: datetime) -> None:
        """Reserve what a new round may cost. A refused command stores nothing, so a job notes the first refusal."""
        try:
            reserve_in(budget, generation, generation.estimated_tokens, allowances, now)
        except BudgetExceeded:
            for event in budget.pending_events:
                if isinstance(event, Budget.NoticeReached):
                    await self.queue.enqueue(_note_of(budget, event))
            raise


def _note_of(budget: Budget, notice: Budget.NoticeReached) -> NoteUsedUp:
    return NoteUsedUp(
        payer_kind=budget.payer_kind,
        payer_id=budget.payer_id,
        month=budget.month,
        tokens=notice.limit_tokens or 0,
        micros=notice.limit_micros or 0,
        budget_version=notice.originator_version,
    )
