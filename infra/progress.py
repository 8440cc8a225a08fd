"""How long-running work reports its progress."""

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Called with the amount done and the goal, in the same unit: records, or positions of the log."""
