"""What never breaks, while everything is killed: the short form of `make chaos`, with a new seed each time."""

import random

import pytest

from tests.chaos.__main__ import chaos
from tests.chaos.report import figures_of

SECONDS = 65


@pytest.mark.chaos
def test_what_never_breaks_does_not_break_while_everything_is_killed() -> None:
    outcome = chaos(random.SystemRandom().randrange(10**6), SECONDS)
    assert outcome.violations == []
    assert outcome.kills.total() >= 5
    assert figures_of(outcome)["appends acknowledged"] >= 100
    assert [finding.words for finding in outcome.findings if finding.examined < 10] == []
