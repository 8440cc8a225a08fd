"""Jobs."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from infra.settings.subject import Subject

DEFAULT_CONCURRENCY = {"accounts": 4, "default": 4, "generation": 50, "mail": 8, "housekeeping": 1}
"""Mail and models wait for servers most of the time. Housekeeping is not urgent, and its statements are large."""

MAX_CONCURRENCY = 500
ENTRY = re.compile(r"([a-z][a-z_]{0,31})=([0-9]{1,3})")


def _parsed(text: str) -> dict[str, int]:
    entries = [ENTRY.fullmatch(part.strip()) for part in text.split(",") if part.strip()]
    return {entry[1]: int(entry[2]) for entry in entries if entry}


def _check(text: str) -> str:
    parts = [part for part in text.split(",") if part.strip()]
    parsed = _parsed(text)
    if len(parsed) != len(parts) or not all(1 <= number <= MAX_CONCURRENCY for number in parsed.values()):
        raise ValueError(f"is not a list like mail=8,default=4, with numbers from 1 to {MAX_CONCURRENCY}.")
    return text


class JobSettings(Subject):
    """How many jobs a worker process performs at the same time."""

    concurrency: Annotated[str, AfterValidator(_check)] = Field(
        "",
        validation_alias="PALIMPSEST_JOBS_CONCURRENCY",
        description="Jobs of a queue that a worker performs at the same time; default: "
        + ",".join(f"{queue}={number}" for queue, number in DEFAULT_CONCURRENCY.items()),
    )

    @property
    def queues(self) -> dict[str, int]:
        """The concurrency of each queue."""
        return {**DEFAULT_CONCURRENCY, **_parsed(self.concurrency)}
