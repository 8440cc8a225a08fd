"""Moderation that fails is left alone for a while; the settings say what becomes of texts meanwhile."""

import math
import time
from collections.abc import Callable

import structlog

from adapters.provider.circuits import Circuit
from application.ports import Moderation, Unavailable

log = structlog.get_logger(__name__)


class GuardedModeration:
    """Implements `application.ports.Moderation`. `is_required`: without a judgement, texts wait; else they pass."""

    def __init__(
        self, moderation: Moderation, *, is_required: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._moderation = moderation
        self._is_required = is_required
        self._circuit = Circuit("moderation", clock)

    async def judge(self, text: str) -> tuple[str, ...]:
        """Judge a text. Raises as `application.ports.Moderation.judge`."""
        try:
            return await self._judged(text)
        except Unavailable:
            if self._is_required:
                raise
            log.warning("a text has passed without moderation")
            return ()

    async def _judged(self, text: str) -> tuple[str, ...]:
        if not self._circuit.enter():
            raise Unavailable("Moderation", math.ceil(self._circuit.wait))
        try:
            categories = await self._moderation.judge(text)
        except Unavailable as error:
            self._circuit.fail(error.retry_after)
            raise
        finally:
            self._circuit.leave()
        self._circuit.succeed()
        return categories


class NoModeration:
    """Implements `application.ports.Moderation` where it is switched off: all texts pass."""

    async def judge(self, text: str) -> tuple[str, ...]:
        """Return no categories."""
        return ()
