"""Log lines and metrics of HTTP requests."""

from typing import Any

import structlog

from infra.telemetry.metrics import observe_request


class HttpObserver:
    """Counts and logs every answered request."""

    def __init__(self) -> None:
        self._log = structlog.get_logger("http")

    def log_to(self, log: Any) -> None:
        """Replace the logger."""
        self._log = log

    def __call__(
        self, method: str, route: str, path: str | None, status: int, seconds: float, user_id: str | None
    ) -> None:
        """Record one request. `route` is its template; `path` is None where it may contain personal data or secrets."""
        observe_request(method, route, status, seconds)
        self._log.info(
            "request",
            method=method,
            route=route,
            path=path,
            status=status,
            milliseconds=round(seconds * 1000, 2),
            user_id=user_id,
        )


observe_http = HttpObserver()
"""The observer of this process; `configure_logging` sets its logger."""
