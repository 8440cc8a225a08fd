"""How many jobs of each queue a worker performs at the same time."""

import pytest
from pydantic import ValidationError

from infra.settings.jobs import DEFAULT_CONCURRENCY, JobSettings

VARIABLE = JobSettings.variable("concurrency")


def queues(text: str) -> dict[str, int]:
    return JobSettings.model_validate({VARIABLE: text}).queues


def test_what_is_not_named_keeps_its_default() -> None:
    assert queues("") == DEFAULT_CONCURRENCY
    assert queues("mail=16, slow_ones=2") == {**DEFAULT_CONCURRENCY, "mail": 16, "slow_ones": 2}


@pytest.mark.parametrize("text", ["mail", "mail=0", "mail=501", "mail=-1", "Mail=1", "mail=1;default=2", "a b=1"])
def test_what_is_no_list_of_queues_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="is not a list like mail=8"):
        queues(text)
