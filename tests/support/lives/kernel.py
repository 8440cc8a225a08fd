"""The registry of lives, and what they share. Each life stands in a module of its own, which is found by discovery."""

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from domain.kernel import Root
from tests.support.given import NOW, person

R = TypeVar("R", bound=Root)

ADA, BOB, EVE = map(person, range(1, 4))
LATER = NOW + timedelta(hours=1)

LIVES: list[Root] = []


def life(make: Callable[[], R]) -> Callable[[], R]:
    """Register a function that makes an aggregate, with all of its events pending."""
    LIVES.append(make())
    return make
