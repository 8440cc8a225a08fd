"""How soon a text is wanted. The provider writes batches of texts for less money, but within a day, not at once."""

from datetime import datetime, timedelta
from typing import Literal

Urgency = Literal["now", "batch"]

BATCH_TIME = timedelta(hours=50)
"""The longest time until a text of a batch is there, or is given up: two windows of the provider, and some time."""
BATCH_WINDOW = timedelta(hours=25)
"""The longest time of an attempt in a batch: the provider's window of 24 hours, and the time to read what came."""


def latest_of(urgency: Urgency, now: datetime) -> datetime | None:
    """Return when a text that is asked for now is there at the latest, or given up; None: it is not for a batch."""
    return now + BATCH_TIME if urgency == "batch" else None
