"""Port to moderation: whether a text may be sent to a language model, or shown as its answer."""

from typing import Protocol


class Moderation(Protocol):
    """Judges texts."""

    async def judge(self, text: str) -> tuple[str, ...]:
        """Return the categories for which a text is refused, in the order of their names; none: it may pass.

        Raises:
            Unavailable: there is no judgement now, and the text is to wait for one.
        """
