"""Answers that a key of a payer pays: neither our caps nor our circuits are theirs, and no fallback stands in.

A wrong key of one payer must not open the circuit of a model for all others.
"""

from collections.abc import AsyncGenerator

from application.ports import AnswerEnd, Prompt, Provider, TextPiece


class ProviderByKey:
    """Implements `application.ports.Provider`. `shared`: answers with our key; `own`: with that of the prompt."""

    def __init__(self, shared: Provider, own: Provider) -> None:
        self._shared = shared
        self._own = own

    def answer(self, prompt: Prompt) -> AsyncGenerator[TextPiece | AnswerEnd, None]:
        """Write an answer. Raises as `application.ports.Provider.answer`, and `UnknownModel`."""
        return (self._shared if prompt.key is None else self._own).answer(prompt)
