"""Logins beside other requests: what 20 of them in a second cost reads. Each takes a hash of 30 ms."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import msgspec

from tests.bench import routes
from tests.bench.clients import Job, request, run
from tests.bench.harness import Bench, Row, below, told
from tests.bench.http import Services, Side, open_services, reads
from tests.support.servers import open_folder

LOGINS = 20
"""A second: one of each login client."""
READERS, READ_SECONDS = 16, 0.1
"""The readers, and the time from one request of each to its next: they leave the server room for logins."""
NAME = f"GET /v1/documents/{{id}}, {READERS / READ_SECONDS:.0f}/s"


def rows(bench: Bench) -> Iterator[Row]:
    """The p95 of reads, quiet and beside logins, by turns."""
    with open_folder() as folder, open_services(bench, folder) as services:
        seconds = bench.seconds(3)
        _, requests = reads(services, READERS)
        reading = Job(services.port, requests, seconds, interval=READ_SECONDS)
        quiet, busy = (Side(lambda: run(reading)) for _ in range(2))
        job = _logins(services, seconds)
        logins = Side(lambda: run(job))

        def beside_logins() -> float:
            with ThreadPoolExecutor(1) as threads:
                beside = threads.submit(logins)
                rate = busy()
                beside.result()
            return rate

        bench.in_turns(quiet, beside_logins)
    alone, beside = quiet.percentiles(0.95), busy.percentiles(0.95)
    yield told(f"{NAME}: p95", "ms", median(alone))
    yield told(f"{NAME}, beside logins: p95", "ms", median(beside))
    yield told("logins beside reads", "requests/s", median(result.rate for result in logins.results[1:]))
    yield below("logins beside reads: failures", "requests", [logins.failures], 1)
    slower = [busy_one / quiet_one for quiet_one, busy_one in zip(alone, beside, strict=True)]
    yield below(f"{NAME}: p95 beside {LOGINS} logins/s, by that without", "times", slower, 2)


def _logins(services: Services, seconds: float) -> Job:
    """A client a login of each second, at even times."""
    bodies = [
        msgspec.json.encode({"email": caller.things["owner"], "password": routes.PASSWORD})
        for caller in services.own(routes.invite_callers, services)[:LOGINS]
    ]
    return Job(services.port, [[request("POST", "/v1/auth/login", body)] for body in bodies], seconds, interval=1)
