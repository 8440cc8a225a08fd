"""Circuits of a provider: a model that fails again and again is left alone for a while, for each key on its own.

A key of a payer that is wrong, or throttled, must not keep others from a model, nor our own key those of payers.
"""

import math
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from adapters.provider.circuits import Circuit
from adapters.provider.keys import OURS, key_name
from application.ports import AnswerEnd, Models, NotAsked, Prompt, PromptRefused, Provider, TextPiece, Unavailable

MAX_CIRCUITS = 1_000
"""Circuits of keys of payers in memory; of more, those that were not used for longest are forgotten."""


class GuardedProvider:
    """Implements `application.ports.Provider`. A failure is counted and passed on."""

    def __init__(self, provider: Provider, models: Models, clock: Callable[[], float] = time.monotonic) -> None:
        self._provider = provider
        self._models = models
        self._clock = clock
        self._circuits = {model.name: Circuit(model.name, clock) for model in models.all()}
        self._of_payers: OrderedDict[tuple[str, str], Circuit] = OrderedDict()

    def open_models(self, model: str) -> list[str]:
        """Return those whose circuit lets an answer through. Raises `UnknownModel`."""
        chain = (model, *self._models.find(model).fallbacks)
        return [each for each in chain if self._circuits[each].is_passable]

    async def answer(self, prompt: Prompt) -> AsyncGenerator[TextPiece | AnswerEnd, None]:
        """Write an answer. Raises as `application.ports.Provider.answer`, and `UnknownModel`."""
        self._models.find(prompt.model)
        circuit = self._circuit(key_name(prompt), prompt.model)
        if not circuit.enter():
            raise NotAsked("The model", math.ceil(circuit.wait))
        try:
            async with aclosing(self._provider.answer(prompt)) as items:
                async for item in items:
                    if isinstance(item, AnswerEnd):
                        circuit.succeed()
                    yield item
        except PromptRefused:
            circuit.succeed()
            raise
        except Unavailable as error:
            circuit.fail(error.retry_after)
            raise
        finally:
            circuit.leave()

    def _circuit(self, key: str, model: str) -> Circuit:
        if key == OURS:
            return self._circuits[model]
        circuit = self._of_payers.pop((key, model), None) or Circuit(model, self._clock)
        self._of_payers[key, model] = circuit
        while len(self._of_payers) > MAX_CIRCUITS:
            self._of_payers.popitem(last=False)
        return circuit
