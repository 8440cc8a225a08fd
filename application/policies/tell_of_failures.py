"""Policy: who asked for a text gets a mail when all tries have failed."""

from collections.abc import Iterable

from application.generation.notices import TellOfFailure
from application.policy import Reaction, policy
from domain.generation.generation import Generation


@policy()
def tell_of_failures(event: Generation.GivenUp) -> Iterable[Reaction]:
    yield TellOfFailure(generation_id=event.originator_id, version=event.originator_version, due=event.timestamp)
