"""Circuit breakers: a model that has failed repeatedly is left alone for a while (M. Nygard, Release It!, 2007).

A circuit is closed while all is well, and open while the model is left alone. Then one answer may begin as a probe: its
end closes the circuit, its failure opens it again. Each process has circuits of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

FAILURES_TO_OPEN = 3
"""Failures in a row, without an answer between them."""
OPEN_SECONDS = 30.0
"""How long a model is left alone, unless the provider wants longer."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Circuit:
    """The circuit of one model. `clock`: seconds that never go back."""

    model: str
    clock: Callable[[], float]
    _failures: int = field(default=0, init=False)
    _open_until: float = field(default=0.0, init=False)
    _is_probing: bool = field(default=False, init=False)

    @property
    def is_passable(self) -> bool:
        """Whether an answer may begin now."""
        return self._failures < FAILURES_TO_OPEN or not (self._is_probing or self.wait > 0)

    def enter(self) -> bool:
        """Return whether an answer may begin now. If so, one of the other methods must follow."""
        if not self.is_passable:
            return False
        self._is_probing = self._failures >= FAILURES_TO_OPEN
        return True

    @property
    def wait(self) -> float:
        """Seconds until it lets an answer through; while one probes, a guess."""
        return max(self._open_until - self.clock(), 1.0 if self._is_probing else 0.0)

    def succeed(self) -> None:
        """Close the circuit: the model has answered."""
        if self._failures >= FAILURES_TO_OPEN:
            log.info("a model answers again", model=self.model)
        self._failures, self._is_probing = 0, False

    def fail(self, retry_after: float) -> None:
        """Count a failure. `retry_after`: the seconds that the provider wants to be left alone."""
        self._failures, self._is_probing = self._failures + 1, False
        if self._failures >= FAILURES_TO_OPEN:
            self._open_until = self.clock() + max(OPEN_SECONDS, retry_after)
            log.warning("a model is left alone for a while", model=self.model, failures=self._failures)

    def leave(self) -> None:
        """Forget an answer that the caller has stopped: it says nothing about the model."""
        self._is_probing = False
