"""Fallbacks: while the circuit of a model is open, the next one of its chain answers."""

import math
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace

from adapters.provider.circuits import Circuit
from application.ports import AnswerEnd, Models, NotAsked, Prompt, PromptRefused, Provider, TextPiece, Unavailable


class ProviderWithFallbacks:
    """Implements `application.ports.Provider`. A failure is counted and passed on: the next try may meet a fallback."""

    def __init__(self, provider: Provider, models: Models, clock: Callable[[], float] = time.monotonic) -> None:
        self._provider = provider
        self._models = models
        self._circuits = {model.name: Circuit(model.name, clock) for model in models.all()}

    async def answer(self, prompt: Prompt) -> AsyncGenerator[TextPiece | AnswerEnd, None]:
        """Write an answer. Raises as `application.ports.Provider.answer`, and `UnknownModel`."""
        circuit = self._enter(prompt.model)
        try:
            async with aclosing(self._provider.answer(replace(prompt, model=circuit.model))) as items:
                async for item in items:
                    yield self._told(item, prompt.model, circuit)
        except PromptRefused:
            circuit.succeed()
            raise
        except Unavailable as error:
            circuit.fail(error.retry_after)
            raise
        finally:
            circuit.leave()

    def _enter(self, name: str) -> Circuit:
        """Return the first circuit of a model's chain that lets an answer through.

        Raises:
            NotAsked: there is none.
        """
        chain = [self._circuits[each] for each in (name, *self._models.find(name).fallbacks)]
        for circuit in chain:
            if circuit.enter():
                return circuit
        raise NotAsked("The model", math.ceil(min(circuit.wait for circuit in chain)))

    def _told(self, item: TextPiece | AnswerEnd, asked: str, circuit: Circuit) -> TextPiece | AnswerEnd:
        if isinstance(item, AnswerEnd):
            circuit.succeed()
            return item if circuit.model == asked else replace(item, model=circuit.model)
        return item
