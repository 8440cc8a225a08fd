"""Logs and metrics of a process. A log line never carries a secret or personal data, whoever wrote it."""

import asyncio
import errno
import logging
import re
import sys
import traceback
from collections.abc import MutableMapping
from functools import cache, lru_cache
from typing import Any, TextIO, cast

import orjson
import structlog
from prometheus_client import Counter, Histogram, start_http_server
from structlog.typing import EventDict, Processor

from infra.local.servers.process import ServerError

SECRET_WORDS = ("password", "passwd", "secret", "token", "authorization", "cookie", "api_key", "private_key", "dsn")
PERSONAL_WORDS = ("email", "full_name", "display_name", "title", "content", "body", "phone")
REDACTED = "[redacted]"
MAX_DEPTH = 6
QUOTED = re.compile("""['"`([{\u00ab\u2018-\u201e].*""")
"""From the first quotation mark or bracket on: where a quotation ends cannot be known, as it may hold such marks."""

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


def observe_batch(requests: int, events: int, seconds: float) -> None:
    """Count one batch that the store has written."""
    append_seconds.observe(seconds)
    append_requests.observe(requests)
    append_events.inc(events)


@cache
def _command_timer(command: str, outcome: str) -> Histogram:
    # The library looks children up by their labels' texts, under a lock.
    return command_seconds.labels(command, outcome)


@cache
def _http_timer(method: str, route: str, status: int) -> Histogram:
    return http_seconds.labels(method, route, str(status))


def observe_command(command: str, outcome: str, attempts: int, seconds: float) -> None:
    """Count one command that has ended."""
    _command_timer(command, outcome).observe(seconds)
    if attempts > 1:
        command_retries.labels(command).inc(attempts - 1)


class HttpObserver:
    """Counts and logs every request that has been answered."""

    def __init__(self) -> None:
        self._log = structlog.get_logger("http")

    def open(self, log: Any) -> None:
        """Log to `log` from now on."""
        self._log = log

    def __call__(
        self, method: str, route: str, path: str | None, status: int, seconds: float, user_id: str | None
    ) -> None:
        """One request: `route` is its template, `path` is None where it may hold anything."""
        _http_timer(method, route, status).observe(seconds)
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


def start_metrics(port: int, host: str = "127.0.0.1") -> None:
    """Serve `/metrics` from a thread of its own; port 0 serves nothing.

    Raises `ServerError` when the port is taken, or the host is not an address of this machine.
    """
    if not port:
        return
    try:
        start_http_server(port, addr=host)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise ServerError(
                f"Metrics cannot be served on {host}, port {port} ({error.strerror}). "
                "Correct PALIMPSEST_METRICS_HOST or PALIMPSEST_METRICS_PORT."
            ) from error
        raise ServerError(
            f"Port {port} for metrics is taken. Choose another: PALIMPSEST_METRICS_PORT={port + 10}, or 0 for none."
        ) from error


def configure_logging(level: str = "INFO", style: str = "auto", **context: str) -> None:
    """Send all logs of the process, the standard library's too, to standard output, one line each.

    `style` is `json`, `console`, or `auto` (console on a terminal). `context` is on every line, for instance the role
    of the process.
    """
    pretty = style == "console" or (style == "auto" and sys.stdout.isatty())
    shared = _shared_processors(context)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(pretty)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    _quieten()
    observe_http.open(structlog.get_logger("http") if pretty else _swift_logger(level, context))


class BufferedLogStream:
    """Writes at once what comes within one turn of the event loop: each write is a call of the system."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._waiting: list[str] = []

    def write(self, text: str) -> None:
        """Take a line. Outside of an event loop it is written straight away."""
        self._waiting.append(text)
        if len(self._waiting) == 1:
            try:
                asyncio.get_running_loop().call_soon(self._write)
            except RuntimeError:
                self._write()

    def flush(self) -> None:
        """Nothing: the turn is about to end."""

    def _write(self) -> None:
        lines, self._waiting = self._waiting, []
        self._stream.write("".join(lines))
        self._stream.flush()


def _swift_logger(level: str, context: dict[str, str]) -> Any:
    """For lines that are written with every request and hold only fields of ours: a tenth of the others' way."""
    log = structlog.wrap_logger(
        structlog.WriteLogger(cast(TextIO, BufferedLogStream(sys.stdout))),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
    )
    return log.bind(level="info", logger="http", **context)


def _shared_processors(context: dict[str, str]) -> list[Processor]:
    def with_context(_: Any, __: str, event: EventDict) -> EventDict:
        return {**context, **event}

    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        with_context,
        redact,
    ]


def _renderers(pretty: bool) -> list[Processor]:
    errors = structlog.processors.ExceptionRenderer(lambda info: told(info[1]) if info[1] else "")
    if pretty:
        plain = structlog.dev.plain_traceback  # the default one complains about errors that are text already
        return [errors, structlog.dev.ConsoleRenderer(exception_formatter=plain, pad_event_to=32)]
    return [errors, structlog.processors.JSONRenderer(serializer=_json)]


def told(error: BaseException) -> str:
    """Where an error happened, with what came before it, but without the values that it quotes or that were around."""
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    parts = [told(before), "which led to\n"] if before else []
    parts += traceback.format_tb(error.__traceback__)
    parts.append(f"{type(error).__qualname__}: {_without_values(str(error))}\n")
    if isinstance(error, BaseExceptionGroup):
        parts += [f"together with\n{told(each)}" for each in error.exceptions]
    return "".join(parts)


def _without_values(message: str) -> str:
    """The first line, as later ones give details, up to what may be a quotation."""
    return QUOTED.sub("…", message.partition("\n")[0])


def _json(value: Any, **_: Any) -> str:
    return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def _quieten() -> None:
    """Uvicorn writes as everybody does, and its access log, which quotes addresses, not at all.

    Of attempts to connect to PostgreSQL and Kafka not each is news: whoever needs a connection says that there is none.
    """
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    logging.getLogger("uvicorn.access").disabled = True
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    logging.getLogger("kafka").setLevel(logging.CRITICAL)


def redact(_: Any, __: str, event: EventDict) -> EventDict:
    """The last resort: blank what a name gives away as secret or personal. Whoever logs should not have come so far."""
    event.pop("color_message", None)  # uvicorn's message again, with colours
    return {name: value if name == "event" else _clean(name, value, 0) for name, value in event.items()}


def _clean(name: str, value: Any, depth: int) -> Any:
    if _gives_away(name):
        return REDACTED
    if depth < MAX_DEPTH and isinstance(value, MutableMapping):
        return {key: _clean(str(key), inner, depth + 1) for key, inner in value.items()}
    if depth < MAX_DEPTH and isinstance(value, list | tuple):
        return [_clean("", inner, depth + 1) for inner in value]
    return value


@lru_cache(maxsize=4096)
def _gives_away(name: str) -> bool:
    lowered = name.lower().replace("-", "_")
    return any(word in lowered for word in SECRET_WORDS) or lowered in PERSONAL_WORDS or lowered.endswith("_email")
