"""An attack beside ordinary clients: how they fare under it, compared with a quiet time before, and what it takes."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from multiprocessing import get_context
from urllib.parse import urlsplit

import msgspec
import psycopg

from adapters.passwords import Argon2Passwords
from infra.bootstrap.write_side import load_use_cases
from tests.chaos import attackers
from tests.chaos.attackers import KINDS, OPEN, Account, Target
from tests.chaos.client import User
from tests.chaos.house import House
from tests.chaos.ordinary import Measured, OrdinaryClient
from tests.chaos.run import customer, email_of
from tests.support.stores import open_store
from tests.support.wire import Wires

CLIENTS, ATTACKERS = 4, 2
WARM_UP_SECONDS = 2.0
MAX_SLOWDOWN = 3.0
MAX_MEBIBYTES = 640
"""The most that one of our processes may take; see `infra/settings/limits.md`."""
STRANGER, STRANGERS_PASSWORD = "palimpsest_stranger", "secret-of-the-stranger"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an attack came to."""

    quiet: Measured
    attacked: Measured
    met: dict[str, Counter[str]]
    peaks: dict[str, float]
    failures: list[str]

    @property
    def slowdowns(self) -> dict[str, float]:
        """How many times as long as before each operation took, by the 95th percentile."""
        return {name: self.attacked.p95(name) / self.quiet.p95(name) for name in self.quiet.seconds}

    @property
    def violations(self) -> list[str]:
        """What does not depend on the speed of the machine, and did not hold."""
        return [
            *(f"an ordinary client: {error}" for error in self.quiet.errors + self.attacked.errors),
            *(f"{name} took {peak:.0f} MiB" for name, peak in self.peaks.items() if peak > MAX_MEBIBYTES),
            *(f"{kind} never came" for kind, answers in self.met.items() if not answers),
            *(
                f"{kind} met with {answer}"
                for kind, answers in self.met.items()
                for answer in answers.keys() - KINDS[kind].right - {OPEN}
            ),
            *self.failures,
        ]

    @property
    def delays(self) -> list[str]:
        """What took too long under attack."""
        return [f"{name} took {by:.1f} times as long" for name, by in self.slowdowns.items() if by > MAX_SLOWDOWN]


def run_attack(house: House, quiet_seconds: float, seconds: float) -> Outcome:
    """Let ordinary clients work in quiet, then under attack.

    Raises:
        TimeoutError: the read models did not reach the end of the log.
    """
    load_use_cases()
    clients, target = asyncio.run(_move_in(house))
    # The attackers run in another process: their work does not delay the clients that measure.
    with ProcessPoolExecutor(1, get_context("spawn")) as elsewhere:
        elsewhere.submit(attackers.prepare).result()
        asyncio.run(work(house.urls, clients, WARM_UP_SECONDS))
        quiet = asyncio.run(work(house.urls, clients, quiet_seconds))
        attack = elsewhere.submit(attackers.attack, target, seconds)
        attacked = asyncio.run(work(house.urls, clients, seconds))
        met = attack.result()
    house.wait_for_projectors()
    peaks = {role.log.stem: role.peak() for role in house.roles if role.alive()}
    failures = [*_failures(house)]
    house.stop_roles()
    return Outcome(quiet, attacked, met, peaks, failures)


async def work(urls: Sequence[str], clients: Sequence[tuple[User, str]], seconds: float) -> Measured:
    """Let each client work for so many seconds."""
    measured = Measured()
    await asyncio.gather(*(OrdinaryClient(urls, user, email, measured).work(seconds) for user, email in clients))
    return measured


async def _move_in(house: House) -> tuple[list[tuple[User, str]], Target]:
    """Accounts of ordinary clients, with their addresses, and those of attackers."""
    async with open_store(house.database_url) as opened:
        with closing(Argon2Passwords()) as passwords:
            names = [f"ordinary {n}" for n in range(CLIENTS)]
            clients = [(await customer(opened, name, passwords), email_of(name)) for name in names]
        users = [await customer(opened, f"attacker {n}") for n in range(ATTACKERS)]
    with closing(Wires()) as wires:
        accounts = [Account(user.headers, await _document(wires, house.urls[0], user)) for user in users]
    return clients, Target(house.urls, accounts, _let_in_a_stranger(house))


async def _document(wires: Wires, url: str, user: User) -> str:
    body = msgspec.json.encode({"title": "Costly", "content": ""})
    return (await wires.request("POST", url, "/v1/documents", user.headers, body)).headers["location"]


def _let_in_a_stranger(house: House) -> str:
    """The address of the database for a login that may connect, and nothing else."""
    address = urlsplit(house.admin_url)
    with psycopg.connect(house.admin_url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {STRANGER} LOGIN PASSWORD '{STRANGERS_PASSWORD}'".encode())
        connection.execute(f"GRANT CONNECT ON DATABASE {address.path[1:]} TO {STRANGER}".encode())
    login = f"{STRANGER}:{STRANGERS_PASSWORD}@{address.hostname}:{address.port}"
    return address._replace(netloc=login, query="").geturl()


def _failures(house: House) -> Iterator[str]:
    """Processes of ours that have ended, and unexpected errors in their logs."""
    for role in house.roles:
        if not role.alive():
            yield f"{role.log.stem} ended"
        for line in role.log.read_text().splitlines():
            if "Traceback" in line or '"request failed"' in line:
                yield f"{role.log.stem}: {line}"
