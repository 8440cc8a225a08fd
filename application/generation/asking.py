"""A new request of a text: what several commands do alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from application.commands import PortGroup
from application.generation.canary import canary_of
from application.generation.choosing import choose
from application.generation.paying import plan_of
from application.generation.prompting import prompt_messages, prompt_of
from application.generation.provider_key import choose_key
from application.generation.sources import SourceText
from application.idempotency import KeyedHash
from application.ports import Actor, Clock, Message, Models, NewId, Store, TokenCounter
from domain.billing.budget import month_of
from domain.content.document import Document
from domain.generation.generation import Generation
from domain.generation.requesting import ModelChoice, Quote, Wish, payer_of, request, request_again


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
        canary = canary_of(self.digests, id)
        messages = prompt_messages(
            canary, document.title, document.content, wish.prompt, wish.variables, wish.placement, sources
        )
        digest = self.digests(b"prompt", self.actor.user_id.bytes, wish.prompt.encode()).hex()
        now = self.clock()
        quote = await self._quote(store, document, digest, messages)
        generation = request(document, wish, model, quote, id=id, by=self.actor, now=now)
        await choose_key(store, generation, now)
        return generation

    async def ask_again(
        self, store: Store, document: Document, generation: Generation, sources: Sequence[SourceText]
    ) -> None:
        """Request the text of a generation once more. Raises as `domain.generation.requesting.request_again`."""
        prompt = prompt_of(generation, document, sources, canary_of(self.digests, generation.id))
        now, model = self.clock(), choose(self.models, generation.model)
        quote = await self._quote(store, document, generation.prompt_digest, prompt.messages)
        request_again(generation, document, model, quote, by=self.actor, now=now)
        await choose_key(store, generation, now)

    async def _quote(self, store: Store, document: Document, digest: str, messages: Sequence[Message]) -> Quote:
        plan = await plan_of(store, payer_of(document, self.actor.user_id))
        return Quote(digest, await self.tokens.count(messages), month_of(self.clock()), plan)
