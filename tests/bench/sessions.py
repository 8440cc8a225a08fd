"""Sessions: what the check of each request costs, and how long the end of many sessions takes."""

import asyncio
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import cast
from uuid import UUID

from uuid_utils.compat import uuid7

from adapters.http.api.context import RequestContext
from adapters.http.api.deps import Deps
from application.ports import SessionEnding
from infra.bootstrap.write_side import WriteSide, utc_now
from infra.sessions.live_sessions import CachedLiveSessions
from tests.bench import ours
from tests.bench.harness import Bench, Row, below
from tests.support.accounts import plain_session
from tests.support.servers import Database

USERS = 10_000
REQUESTS = 20_000
MICROSECONDS = 1e6


def rows(bench: Bench) -> Iterator[Row]:
    """Both."""
    with bench.database() as database, ours.opened(database) as own:
        [figures] = bench.in_turns(lambda: own(_identify, database, bench.count(REQUESTS)))
        yield below("identification of a request with its session, CPU", "µs", figures, 200)
        [figures] = bench.in_turns(lambda: own(_end_all, bench.count(USERS)))
        yield below(f"end of all sessions of {USERS} users", "s", figures, 2)


async def _identify(core: WriteSide, database: Database, number: int) -> float:
    """CPU time of one identification, in microseconds."""
    tokens = ours.tokens_for(ours.settings_for(database))
    sessions = CachedLiveSessions(core.database, core.lease.holds, utc_now)
    deps = cast(Deps, SimpleNamespace(tokens=tokens, live_sessions=sessions))
    user_id = uuid7()
    token = tokens.issue(user_id, await plain_session(core.database, user_id))
    headers = {b"authorization": f"Bearer {token}".encode()}
    context = RequestContext(deps, headers, UUID(int=1))
    await context.authenticate("documents:read", changes=False)
    started = time.process_time()
    for _ in range(number):
        await context.authenticate("documents:read", changes=False)
    return (time.process_time() - started) / number * MICROSECONDS


async def _end_all(core: WriteSide, number: int) -> float:
    """Seconds until no process takes a token of one session each of so many users."""
    users = [uuid7() for _ in range(number)]
    for start in range(0, number, ours.PORTION):
        await asyncio.gather(*[plain_session(core.database, id) for id in users[start : start + ours.PORTION]])
    started = time.perf_counter()
    assert await core.sessions.end_all([SessionEnding(user_id, 2**41) for user_id in users])
    return time.perf_counter() - started
