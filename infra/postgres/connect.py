"""Opens all connections to PostgreSQL, with one set of timeouts, keepalives and session settings.

A caller passes only what differs. `settings` are server settings, such as `statement_timeout`; they travel with the
connection request and cost no round trip. The role of a part is in the URL (`as_part`).
"""

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import AsyncConnectionPool

from infra.settings.database import Part, role_of

Connection = psycopg.Connection[tuple[Any, ...]]
AsyncConnection = psycopg.AsyncConnection[tuple[Any, ...]]
Pool = AsyncConnectionPool[AsyncConnection]
ServerSettings = Mapping[str, str]

CONNECT_TIMEOUT_SECONDS = 3
POOL_TIMEOUT_SECONDS = 3.0
POOL_STATEMENT_TIMEOUT = "10s"
SILENCE_SECONDS = 10
"""A connection whose peer's TCP answers nothing for about this time is lost."""
PREPARE_AFTER = 5
"""The number of executions after which psycopg prepares a statement, by default."""

SEARCH_PATH = "palimpsest,pg_temp"
"""Where names are searched: in pg_catalog, which comes first unless it is listed, then in our schema; never in a schema
where others may create."""


def as_part(url: str, part: Part) -> str:
    """The address with the role of a part, which every session takes on. Its login must be a member of that role."""
    return make_conninfo(url, options=f"{_options(url)} -c role={role_of(part)}".strip())


def connect(
    url: str,
    *,
    autocommit: bool = False,
    prepare_threshold: int = PREPARE_AFTER,
    silence_seconds: int = SILENCE_SECONDS,
    settings: ServerSettings | None = None,
) -> Connection:
    """A connection for synchronous code.

    Raises:
        psycopg.Error: the server does not answer, or refuses.
    """
    return psycopg.connect(
        url,
        autocommit=autocommit,
        prepare_threshold=prepare_threshold,
        **_parameters(url, silence_seconds, settings or {}),
    )


async def connect_async(
    url: str, *, prepare_threshold: int = PREPARE_AFTER, settings: ServerSettings | None = None
) -> AsyncConnection:
    """A connection for asynchronous code, in autocommit mode.

    Raises:
        psycopg.Error, OSError, TimeoutError: the server does not answer, or refuses.
    """
    return await psycopg.AsyncConnection.connect(
        url,
        autocommit=True,
        prepare_threshold=prepare_threshold,
        **_parameters(url, SILENCE_SECONDS, settings or {}),
    )


def create_pool(url: str, max_size: int) -> Pool:
    """A pool of asynchronous connections in autocommit mode, to be opened by the caller.

    After a failed attempt to connect the next use tries again at once: there is no backoff.
    """
    parameters = _parameters(url, SILENCE_SECONDS, {"statement_timeout": POOL_STATEMENT_TIMEOUT})
    return AsyncConnectionPool(
        url,
        open=False,
        min_size=2,
        max_size=max_size,
        timeout=POOL_TIMEOUT_SECONDS,
        kwargs={"autocommit": True, **parameters},
        reconnect_timeout=0,
    )


def _parameters(url: str, silence_seconds: int, settings: ServerSettings) -> dict[str, Any]:
    # Times are returned in UTC, whatever the time zone of the server.
    fixed = {"timezone": "UTC", "search_path": SEARCH_PATH}
    options = [f"-c {name}={value}" for name, value in {**fixed, **settings}.items()]
    return {
        "application_name": "palimpsest",
        "options": " ".join([_options(url), *options]).strip(),
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "keepalives_idle": max(1, silence_seconds // 2),
        "keepalives_interval": max(1, silence_seconds // 4),
        "keepalives_count": 2,
        "tcp_user_timeout": silence_seconds * 1000,
    }


def _options(url: str) -> str:
    return str(conninfo_to_dict(url).get("options") or "")
