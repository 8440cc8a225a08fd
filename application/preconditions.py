"""Preconditions: the caller names the state that a command may change by its entity tag (RFC 9110, 13).

They are checked here for all commands: on the first load of the aggregate whose view the command answers, and again
when a command is retried. Tags are opaque: they are compared as texts.
"""

from collections.abc import Callable
from typing import Any

from application.commands import Command
from application.ports import Clock, CommandContext, Precondition, StaleVersion, UnwantedMatch, VersionNeeded
from application.views import VIEWS
from domain.kernel import Root

CheckRoot = Callable[[Root], None]


def tag_of(view: object) -> str | None:
    """Return the entity tag of a view: its `etag`, or else its version; None: it has neither."""
    tag = getattr(view, "etag", None) or getattr(view, "version", None)
    return None if tag is None else str(tag)


def require_tag(precondition: Precondition, view: object) -> None:
    """Refuse a view that the precondition does not allow.

    Raises:
        StaleVersion: its tag is none of those in `one_of`.
        UnwantedMatch: its tag is one of `none_of`, or nothing should be there at all.
    """
    tag = tag_of(view)
    if precondition.one_of is not None and tag not in precondition.one_of:
        raise StaleVersion(getattr(view, "version", None))
    if precondition.absent or tag in precondition.none_of:
        raise UnwantedMatch("What you named in If-None-Match is there; read it, or leave the condition out.")


def precondition_check(command: Command[Any], answer: Any, context: CommandContext, clock: Clock) -> CheckRoot | None:
    """Return what checks the aggregates that a command loads; None: the caller made no precondition.

    `answer` is the type of the command's answer. Actors who may not read the aggregate learn nothing of its version.

    Raises:
        VersionNeeded: the command depends on a version, and the caller named none.
    """
    precondition = context.precondition
    if command.names_version and (precondition is None or precondition.one_of is None):
        raise VersionNeeded("Offsets belong to one version of the text; name it: `If-Match`, with the `ETag` of it.")
    if precondition is None:
        return None
    view = VIEWS[answer]

    def check(root: Root) -> None:
        if isinstance(root, view.kind):
            now = clock()
            view.require_reader(root, context.person, now)
            require_tag(precondition, view.make(root, now))

    return check
