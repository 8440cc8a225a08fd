"""Why there is no text, in words for the asker, and what to do next."""

from collections.abc import Sequence

from domain.generation.events import Failure, RefusalReason

EXPLANATIONS: dict[Failure | RefusalReason, str] = {
    "refused": "The provider refuses this prompt. Change it, or choose another model, and ask again.",
    "unavailable": "The provider did not answer. Ask again later.",
    "cut": "The provider broke off each time. Ask again, or for a shorter text.",
    "lost": "The text was not finished in time. Ask again.",
    "cancelled": "You cancelled it.",
    "no_access": "You may not edit the document any more. Ask its owner.",
    "empty": "The model answered nothing. Change the prompt and ask again.",
    "too_long": "The document has become too long for the model. Shorten it, or choose another model, and ask again.",
    "budget": "Too little is left of this month's budget. Ask for less, wait for the next month, or change the plan.",
    "unsafe_prompt": "Moderation refuses the prompt. Change it and ask again.",
    "unsafe_text": "Moderation refuses the text that was written, so it was not kept. Change the prompt and ask again.",
    "own_key": "The provider refuses the key that was saved, or it was deleted. Save another, or none, and ask again.",
    "leaked_rules": "The text repeated internal rules, so it was not kept. Change the prompt and ask again.",
}


def explanation_of(why: Failure | RefusalReason | None, categories: Sequence[str]) -> str | None:
    """Return why a generation has no text; None: it has one, or may still get one."""
    if why is None:
        return None
    named = f" Categories: {', '.join(categories)}." if categories else ""
    return EXPLANATIONS[why] + named
