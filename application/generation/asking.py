"""A new request of a text: what several commands do alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from application.commands import PortGroup
from application.generation.canary import canary_of
from application.generation.choosing import choose
from application.generation.paying import AttemptNeed, Payment, payment_of, reserve_in, terms_of
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

    async def payment_for(self, store: Store, document: Document) -> Payment:
        """Return what pays for texts for a document that are asked for now."""
        return await payment_of(store, payer_of(document, self.actor.user_id), self.actor.user_id, self.clock())

    async def ask(
        self,
        payment: Payment,
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
        now, quote = self.clock(), await self._quote(digest, messages, payment)
        output_tokens = output_tokens_of(document, wish, model, quote, self.actor)
        need = AttemptNeed(model, quote.prompt_tokens, output_tokens, wish.variants, wish.urgency)
        terms = terms_of(payment, id, need, self.models)
        generation = request(document, wish, model, quote, terms, id=id, by=self.actor, now=now)
        await self._reserve(payment, generation, now)
        return generation

    async def ask_again(
        self,
        payment: Payment,
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
        now, model = self.clock(), choose(self.models, generation.model, generation.urgency)
        quote = await self._quote(generation.prompt_digest, prompt.messages, payment)
        need = AttemptNeed(
            model, quote.prompt_tokens, generation.max_output_tokens, generation.variants, generation.urgency
        )
        terms = terms_of(payment, generation.id, need, self.models)
        request_again(generation, document, model, quote, terms, by=self.actor, now=now)
        await self._reserve(payment, generation, now)

    async def _quote(self, digest: str, messages: Sequence[Message], payment: Payment) -> Quote:
        return Quote(digest, await self.tokens.count(messages), month_of(self.clock()), payment.allowances.plan)

    async def _reserve(self, payment: Payment, generation: Generation, now: datetime) -> None:
        """Reserve what a new round may cost. A refused command stores nothing, so a job notes the first refusal."""
        budget = payment.budget
        try:
            reserve_in(budget, generation, generation.estimated_tokens, payment.allowances, now)
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
