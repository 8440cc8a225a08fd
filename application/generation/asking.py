"""A new request of a text: what several commands do alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from application.commands import PortGroup
from application.generation.paying import plan_of
from application.generation.prompting import prompt_messages
from application.generation.sources import SourceText
from application.idempotency import KeyedHash
from application.ports import Actor, Clock, Models, NewId, Store, TokenCounter
from domain.billing.budget import month_of
from domain.content.document import Document
from domain.generation.generation import Generation
from domain.generation.requesting import ModelChoice, Quote, Wish, payer_of, request


@dataclass(frozen=True, slots=True)
class Asking(PortGroup):
    """The ports that a request needs."""

    actor: Actor
    clock: Clock
    new_id: NewId
    models: Models
    tokens: TokenCounter
    digests: KeyedHash

    async def ask(
        self,
        store: Store,
        document: Document,
        wish: Wish,
        model: ModelChoice,
        id: UUID,
        sources: Sequence[SourceText] = (),
    ) -> Generation:
        """Request a text. Raises as `domain.generation.requesting.request`."""
        messages = prompt_messages(
            document.title, document.content, wish.prompt, wish.variables, wish.placement, sources
        )
        digest = self.digests(b"prompt", self.actor.user_id.bytes, wish.prompt.encode()).hex()
        now = self.clock()
        plan = await plan_of(store, payer_of(document, self.actor.user_id))
        quote = Quote(digest, await self.tokens.count(messages), month_of(now), plan)
        return request(document, wish, model, quote, id=id, by=self.actor, now=now)
