"""Prometheus metrics of a process, and the endpoint that serves them."""

import errno
from functools import cache

from prometheus_client import Counter, Histogram, start_http_server

from infra.errors import SetupError

LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SIZE_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)

append_seconds = Histogram(
    "palimpsest_append_seconds", "Time to write and commit one batch of appends", buckets=LATENCY_BUCKETS
)
append_requests = Histogram("palimpsest_append_batch_requests", "Appends written in one batch", buckets=SIZE_BUCKETS)
append_events = Counter("palimpsest_appended_events", "Events written")
command_seconds = Histogram(
    "palimpsest_command_seconds",
    "Time from a command's arrival on the bus to its end, retries included",
    ["command", "outcome"],
    buckets=LATENCY_BUCKETS,
)
http_seconds = Histogram(
    "palimpsest_http_seconds",
    "Time from a request's first byte to its answer's last",
    ["method", "route", "status"],
    buckets=LATENCY_BUCKETS,
)
command_retries = Counter("palimpsest_command_retries", "Attempts after the first, by command", ["command"])
lost_security_entries = Counter(
    "palimpsest_lost_security_entries", "Entries of the security log that the database did not take"
)


class MetricsError(SetupError):
    """The metrics cannot be served; the message says why and what to do."""


def observe_batch(requests: int, events: int, seconds: float) -> None:
    """Count one batch of appends that the store has written."""
    append_seconds.observe(seconds)
    append_requests.observe(requests)
    append_events.inc(events)


def observe_request(method: str, route: str, status: int, seconds: float) -> None:
    """Count one answered HTTP request; `route` is its template."""
    _http_timer(method, route, status).observe(seconds)


def observe_command(command: str, outcome: str, attempts: int, seconds: float) -> None:
    """Count one finished command."""
    _command_timer(command, outcome).observe(seconds)
    if attempts > 1:
        command_retries.labels(command).inc(attempts - 1)


def count_lost_entries(number: int) -> None:
    """Count entries of the security log that are lost."""
    lost_security_entries.inc(number)


@cache
def _command_timer(command: str, outcome: str) -> Histogram:
    # Cached: the library looks labels up under a lock.
    return command_seconds.labels(command, outcome)


@cache
def _http_timer(method: str, route: str, status: int) -> Histogram:
    return http_seconds.labels(method, route, str(status))


def start_metrics(port: int, host: str = "127.0.0.1") -> None:
    """Serve `/metrics` from a separate thread; with port 0 serve nothing.

    Raises:
        MetricsError: the port is taken, or the host is not an address of this machine.
    """
    if not port:
        return
    try:
        start_http_server(port, addr=host)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise MetricsError(
                f"Cannot serve metrics on {host}, port {port} ({error.strerror}). "
                "Correct PALIMPSEST_METRICS_HOST or PALIMPSEST_METRICS_PORT."
            ) from error
        raise MetricsError(
            f"Port {port} for metrics is taken. Choose another: PALIMPSEST_METRICS_PORT={port + 10}, or 0 for none."
        ) from error
