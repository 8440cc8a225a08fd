"""Refusals of commands that concern generations."""

from domain.kernel import Conflict, Invalid, NotFound


class UnusablePrompt(Invalid):
    """A prompt, its variables or its parameters are not valid."""


class PromptTooLong(Invalid):
    """The prompt, with the document, has more tokens than the model takes."""


class UnusableSources(Invalid):
    """The documents to draw on are too many, too long, or named twice."""


class UnusablePlacement(Invalid):
    """The place for the text is not described as its kind needs it."""


class PassageGone(Conflict):
    """The document has changed since the version that the place belongs to."""


class NotWaiting(Conflict):
    """The generation has ended: there is nothing to cancel."""


class NotRetryable(Conflict):
    """The generation is under way, or has a text: it is not asked for again."""


class NotDeletable(Conflict):
    """The generation is under way, or has a text: it is not deleted."""


class NoDraft(Conflict):
    """The generation has no draft that could be accepted or discarded."""


class DocumentGone(NotFound):
    """The document of the generation does not exist for the asker any more."""


class UnusableProviderKey(Invalid):
    """A text is no key of the provider, or the provider refuses it."""


class NoProviderKey(NotFound):
    """The user or the team has saved no key of the provider."""
