"""How long every route takes with 64 clients at once, each with users, a document and teams of its own.

What can be done once only goes round: a document is trashed and restored, a guest is invited, accepts and leaves, a
team is handed over and back.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import msgspec
from uuid_utils.compat import uuid7

from adapters.passwords import Argon2Passwords
from application.ports import Actor
from domain.billing.subscription import Subscription
from domain.identity.user import User
from domain.kernel import Party
from domain.teams import invitations
from domain.teams.team import Team
from infra.bootstrap.write_side import WriteSide, utc_now
from tests.bench import ours, processes
from tests.bench.clients import Job, Result, request, run
from tests.bench.harness import TEXT, Bench, Row, below
from tests.bench.http import CLIENTS, Services, latencies
from tests.support.accounts import plain_session

PASSWORD = "umber cartwheel tenfold mist"
FASTEST = 6_000
"""More requests a second are not prepared for."""

Step = tuple[str, str, str, dict[str, str] | None]
"""Who asks, the method, the path and the body. In the last two, `{n}` is never the same."""

INVITE: Step = ("owner", "POST", "{team}/invitations", {"email": "{guest}", "role": "editor"})
ACCEPT: Step = ("guest", "POST", "{team}/invitations/accept", None)
STRANGER = "somebody@example.org"
WHO = ("owner", "friend", "guest")

ROUNDS: list[list[Step]] = [
    [("owner", "GET", "{document}", None)],
    [("owner", "POST", "/v1/documents", {"title": "T", "content": TEXT})],
    [("owner", "GET", "/v1/documents", None)],
    [("owner", "PUT", "{document}", {"title": "T {n}", "content": TEXT, "status": "draft"})],
    [("owner", "DELETE", "{document}", None), ("owner", "POST", "{document}/restore", None)],
    [("owner", "GET", "{document}/versions", None)],
    [("owner", "GET", "{document}/versions/{version}", None)],
    [("owner", "POST", "{document}/versions/{version}/restore", None)],
    [("owner", "GET", "{document}/shares", None)],
    [
        ("owner", "POST", "{document}/shares", {"email": STRANGER, "role": "viewer"}),
        ("owner", "PUT", "{document}/shares", {"email": STRANGER, "role": "editor"}),
        ("owner", "POST", "{document}/shares/revoke", {"email": STRANGER}),
    ],
    [("owner", "POST", "/v1/auth/register", {"email": "{n}@example.org", "name": "N", "password": PASSWORD})],
    [("owner", "POST", "/v1/auth/login", {"email": "{owner}", "password": PASSWORD})],
    [("owner", "GET", "/v1/users/me", None)],
    [("owner", "PUT", "/v1/users/me", {"name": "N {n}"})],
    [("owner", "GET", "/v1/subscription", None)],
    [("guest", "POST", "/v1/teams", {"name": "T", "slug": "team-{n}"})],
    [("owner", "GET", "/v1/teams", None)],
    [("owner", "GET", "{team}", None)],
    [("owner", "PUT", "{team}", {"name": "T {n}"})],
    [("owner", "GET", "{team}/members", None)],
    [INVITE, ACCEPT, ("guest", "POST", "{team}/leave", None)],
    [INVITE, ("guest", "POST", "{team}/invitations/decline", None)],
    [INVITE, ("owner", "POST", "{team}/invitations/revoke", {"email": "{guest}"})],
    [INVITE, ACCEPT, ("owner", "DELETE", "{team}/members/{guest_id}", None)],
    [("owner", "PUT", "{team}/members/{friend_id}", {"role": "{role}"})],
    [
        ("owner", "POST", "{team}/ownership-offer", {"user_id": "{friend_id}"}),
        ("friend", "POST", "{team}/ownership-offer/accept", None),
        ("friend", "POST", "{team}/ownership-offer", {"user_id": "{owner_id}"}),
        ("owner", "POST", "{team}/ownership-offer/accept", None),
    ],
    [("owner", "DELETE", "{team}", None)],
    [("owner", "GET", "/health/live", None)],
    [("owner", "GET", "/health/ready", None)],
    [("owner", "GET", "/.well-known/jwks.json", None)],
]
SHOWN = {"document": "/v1/documents/{id}", "team": "/v1/teams/{id}", "friend_id": "{user}", "guest_id": "{user}"}


@dataclass(frozen=True)
class Caller:
    """What one client has: tokens by who asks, and what the rounds speak of."""

    tokens: dict[str, str]
    things: dict[str, str]


def rows(bench: Bench, services: Services) -> Iterator[Row]:
    """Three percentiles of every route, and how many requests failed in all."""
    callers = services.own(invite_callers, services)
    processes.wait_for_projector(services.database)
    seconds, numbers, failures = bench.seconds(1), count(), 0
    seen: set[str] = set()
    for steps in ROUNDS:
        names = [f"{method} {_shown(path)}" for _, method, path, _ in steps]
        result = _measure(services, callers, steps, names, numbers, seconds)
        failures += result.failures
        for name in dict.fromkeys(names):
            if name not in seen:
                seen.add(name)
                yield from latencies(f"{name}, {CLIENTS} clients", result, name)
    yield below(f"every route, {CLIENTS} clients: failures", "requests", [failures], 1)


def _measure(
    services: Services,
    callers: list[Caller],
    steps: list[Step],
    names: list[str],
    numbers: Iterator[int],
    seconds: float,
) -> Result:
    rounds = 1 if steps[0][:3] == ("owner", "DELETE", "{team}") else round(FASTEST * seconds / CLIENTS / len(steps)) + 1
    requests = [[_request(caller, step, n) for n in _some(numbers, rounds) for step in steps] for caller in callers]
    return run(Job(services.port, requests, seconds, once=True, names=names))


def _some(numbers: Iterator[int], number: int) -> list[int]:
    return [next(numbers) for _ in range(number)]


def _request(caller: Caller, step: Step, n: int) -> bytes:
    who, method, path, body = step
    known = {**caller.things, "n": str(n), "version": str(1 + n % 2), "role": ("admin", "editor")[n % 2]}
    packed = msgspec.json.encode({name: value.format(**known) for name, value in body.items()}) if body else b""
    keyed = {} if method == "GET" else {"Idempotency_Key": str(uuid7())}
    return request(method, path.format(**known), packed, Authorization=f"Bearer {caller.tokens[who]}", **keyed)


def _shown(path: str) -> str:
    for name, words in SHOWN.items():
        path = path.replace(f"{{{name}}}", words)
    return path


async def invite_callers(core: WriteSide, services: Services) -> list[Caller]:
    """A caller for each client, stored."""
    passwords = Argon2Passwords()
    hashed = await passwords.hash(PASSWORD)
    passwords.close()
    return await asyncio.gather(*[_caller(core, services, hashed) for _ in range(CLIENTS)])


async def _caller(core: WriteSide, services: Services, hashed: str) -> Caller:
    now = utc_now()
    people = {who: Actor(id := uuid7(), core.blind.address_id(f"{id}@example.org")) for who in WHO}
    owner, friend = people["owner"], people["friend"]
    for person in people.values():
        email = f"{person.user_id}@example.org"
        user = User.register(id=person.user_id, email=email, name="N", password_hash=hashed, now=now)
        user.request_link("verify", link_id=uuid7(), token_digest="-", now=now)
        user.verify_email(token_digest="-", now=now)
        subscription = Subscription.start(payer=Party("user", person.user_id), now=now)
        subscription.change_plan("enterprise", now=now)
        await core.store.append([user, subscription], ours.CALL, None)
    document = ours.new_document(TEXT, owner.user_id)
    document.change(title="T", content=TEXT, status="draft", by=owner, now=now)
    team = Team.found(id=uuid7(), name="T", slug=f"t-{owner.user_id}", owner_id=owner.user_id, now=now)
    assert friend.address_id is not None
    invitations.invite(
        team, address_id=friend.address_id, email=f"{friend.user_id}@example.org", role="editor", by=owner, now=now
    )
    invitations.accept(team, by=friend, now=now)
    await core.store.append([document, team], ours.CALL, None)
    return Caller(
        {
            who: services.tokens.issue(
                person.user_id, await plain_session(core.database, person.user_id, person.address_id)
            )
            for who, person in people.items()
        },
        {
            "document": f"/v1/documents/{document.id}",
            "team": f"/v1/teams/{team.id}",
            **{who: f"{person.user_id}@example.org" for who, person in people.items()},
            **{f"{who}_id": str(person.user_id) for who, person in people.items()},
        },
    )
