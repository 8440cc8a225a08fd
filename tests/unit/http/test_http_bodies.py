"""Bodies: every operation has its own limit, what its schema allows fits it, and a refusal costs little."""

import asyncio
import json
from itertools import groupby
from typing import Any

import pytest

from adapters.http.api import body, problems
from adapters.http.api.body import JsonBody
from adapters.http.api.body_budget import BodyBudget
from adapters.http.api.routers import find_routers
from adapters.http.api.schemas import Body
from adapters.http.content.bulk import BulkChange
from adapters.http.content.document import NewDocument
from adapters.http.content.share_link import ShareLinkToken
from adapters.http.generation.provider_key import NewProviderKey
from adapters.http.identity.account import AccountAddress, PasswordReset, VerificationToken
from adapters.http.identity.recovery import AccountToken
from adapters.http.identity.session import Credentials, RefreshRequest
from adapters.http.identity.user import CurrentPassword, EmailChange, PasswordChange
from adapters.http.teams.domain_mail import DomainToken
from adapters.http.teams.invitation import Invitations
from tests.support.http import PASSWORD, HttpApi, open_http_api
from tests.support.waiting import until

DOCUMENTS = "/v1/documents"
ASTRAL = "\U0001f600"
LOGIN = {"email": "ada@example.org", "password": "x"}


async def post(api: HttpApi, path: str, content: bytes, headers: dict[str, str] | None = None) -> Any:
    return await api.client.post(path, content=content, headers={"Content-Type": "application/json", **(headers or {})})


def models(base: type[Body] = Body) -> list[type[Body]]:
    """The bodies of all operations."""
    find_routers()
    derived = base.__subclasses__()
    return [model for each in derived for model in models(each)] if derived else [base]


def escaped(text: str) -> str:
    """The text in JSON's longest spelling: six bytes for each UTF-16 unit."""
    units = text.encode("utf-16-be").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def longest(schema: dict[str, Any]) -> str:
    """The longest JSON that a schema allows. References are replaced by their schemas."""
    match schema:
        case {"anyOf": options}:
            return max((longest(each) for each in options), key=len)
        case {"type": "object", "properties": properties}:
            members = [f'"{escaped(name)}": {longest(each)}' for name, each in properties.items()]
            return "{" + ", ".join(members) + "}"
        case {"type": "array", "items": items}:
            return "[" + ", ".join([longest(items)] * schema["maxItems"]) + "]"
        case {"type": "string"}:
            return longest_text(schema)
        case {"maximum": number}:
            return str(number)
    return "null"


def longest_text(schema: dict[str, Any]) -> str:
    """The longest JSON of a text."""
    if "enum" in schema:
        return f'"{escaped(max(schema["enum"], key=len))}"'
    if schema.get("format") == "uuid":
        return f'"{escaped("0" * 36)}"'
    if "pattern" in schema or schema.get("format") == "email":  # of ASCII; an address has at most 254 bytes
        return f'"{escaped("a") * schema["maxLength"]}"'
    return f'"{escaped(ASTRAL) * schema["maxLength"]}"'


def resolved(schema: Any, models: dict[str, Any]) -> Any:
    """The schema, with the schemas of `models` in place of references to them."""
    if isinstance(schema, list):
        return [resolved(each, models) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return resolved(models[schema["$ref"].rpartition("/")[2]], models)
    return {name: resolved(each, models) for name, each in schema.items()}


@pytest.mark.parametrize("model", models())
def test_all_that_a_schema_allows_fits_the_limit_of_its_body(model: type[Body]) -> None:
    """Case 11: limits that agree, whatever a client escapes."""
    schema = model.model_json_schema()
    assert len(longest(resolved(schema, schema.get("$defs", {})))) <= model.MAX_BYTES


def test_limits_follow_what_bodies_hold() -> None:
    """H1: 4 KB for passwords and tokens, 96 KB for changes of many things, 16 KB for all others but documents."""
    small: set[type[Body]] = {
        AccountAddress,
        Credentials,
        PasswordChange,
        PasswordReset,
        RefreshRequest,
        VerificationToken,
    }
    small |= {AccountToken, CurrentPassword, DomainToken, EmailChange, NewProviderKey, ShareLinkToken}
    many: set[type[Body]] = {BulkChange, Invitations}
    documents = ("content", "edits", "prompt", "left")
    others = {
        model.MAX_BYTES
        for model in models()
        if model not in {*small, *many} and not any(name in model.model_fields for name in documents)
    }
    assert ({model.MAX_BYTES for model in small}, others) == ({4_096}, {16_384})
    assert {model.MAX_BYTES for model in many} == {98_304}


@pytest.mark.parametrize(
    ("path", "limit"),
    [
        ("/v1/auth/login", 4_096),
        ("/v1/auth/register", 16_384),
        ("/v1/teams", 16_384),
        (DOCUMENTS, NewDocument.MAX_BYTES),
    ],
)
async def test_a_body_over_its_limit_is_refused_by_its_length(
    api: HttpApi, token: dict[str, str], path: str, limit: int
) -> None:
    """H1: nothing of it is read."""
    answer = await post(api, path, b" ", {**token, "Content-Length": str(limit + 1)})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert str(limit) in answer.json()["detail"]


async def test_a_million_astral_characters_are_taken_escaped(api: HttpApi, token: dict[str, str]) -> None:
    """Case 11."""
    content = json.dumps({"title": "x", "content": ASTRAL * 1_000_000}).encode()
    assert (await post(api, DOCUMENTS, content, token)).status_code == 201


@pytest.mark.parametrize(
    "members",
    [
        {"title": "x" * 301},
        {"title": ""},
        {},
        {"title": "x", "status": "draft"},
        {"title": None},
    ],
    ids=["too long", "too short", "missing", "unknown", "null"],
)
async def test_a_large_body_has_the_faults_of_a_small_one(
    api: HttpApi, token: dict[str, str], members: dict[str, object]
) -> None:
    """Except those of its shape, of which it gets the first only."""
    small, large = [
        await api.client.post(DOCUMENTS, json={**members, "content": "x" * size}, headers=token) for size in (1, 20_000)
    ]
    assert small.status_code == large.status_code == 422
    codes = {error["code"] for error in large.json()["errors"]}
    assert codes == {"shape"} or large.json()["errors"] == small.json()["errors"]


async def test_a_large_body_is_stored_as_it_is_written(api: HttpApi, token: dict[str, str]) -> None:
    content = 'é"\\\n\u2028' + ASTRAL * 20_000
    answer = await post(api, DOCUMENTS, json.dumps({"content": content, "title": " A\t"}).encode(), token)
    assert (answer.status_code, answer.json()["content"] == content) == (201, True)


async def test_other_requests_go_on_between_the_steps_that_parse_a_large_body(
    api: HttpApi, token: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A million astral characters, escaped, held the event loop for 84 ms."""
    steps = []

    def noted(name: str, step: Any) -> Any:
        return lambda *args: steps.append(name) or step(*args)  # type: ignore[func-returns-value]

    async def other() -> None:
        while True:
            steps.append("other")
            await asyncio.sleep(0)

    monkeypatch.setattr(JsonBody, "_members", noted("members", JsonBody._members))
    monkeypatch.setattr(body, "_check_json", noted("check", body._check_json))
    monkeypatch.setattr(JsonBody, "validate", noted("validate", JsonBody.validate))
    others = asyncio.create_task(other())
    answer = await api.client.post(DOCUMENTS, json={"title": "x", "content": "x" * 20_000}, headers=token)
    others.cancel()
    found = [name for name, _ in groupby(steps)]
    assert answer.status_code == 201
    assert found == ["members", "other", "check", "other", "validate"]


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The faults that are made of what pydantic found."""
    made: list[object] = []
    fault = problems.Fault

    def counted(*args: Any) -> problems.Fault:
        made.append(args)
        return fault(*args)

    monkeypatch.setattr(problems, "Fault", counted)
    return made


MANY = 800_000
MEMBERS = ",".join(f'"{n}":0' for n in range(MANY))


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("{" + MEMBERS + "}", 422),
        ('{"title":{' + MEMBERS + "}}", 422),
        ('{"title":"x","content":[' + "[" * MANY + "]" * MANY + "]}", 422),
        ("[" + "0," * MANY + "0]", 422),
        ('{"title":"x"' + ',"content":"y"' * MANY + "}", 400),
    ],
    ids=["unknown members", "members of a member", "nested arrays", "an array", "one member again and again"],
)
async def test_a_large_body_of_another_shape_is_refused_at_its_first_fault(
    api: HttpApi, token: dict[str, str], body: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """H1: pydantic, which collects every fault, never sees it."""
    monkeypatch.setattr("adapters.http.api.arguments._checked", lambda *_: pytest.fail("It was validated."))
    answer = await post(api, DOCUMENTS, body.encode(), token)
    assert (answer.status_code, len(answer.content) < 1_000) == (status, True)


async def test_many_faults_are_counted_and_not_made(api: HttpApi, token: dict[str, str], built: list[object]) -> None:
    """H1: a small body with 1,500 faults, and a query of as many."""
    faults = json.dumps({str(n): 0 for n in range(1_500)}).encode()
    answer = await post(api, "/v1/teams", faults, token)
    query = await api.client.get(DOCUMENTS + "?" + "&".join(str(n) for n in range(1_500)), headers=token)
    for each in (answer, query):
        assert (each.status_code, [error["code"] for error in each.json()["errors"]]) == (422, ["too_many_faults"])
    assert len(built) == 2


class Upload:
    """A body in a budget: it waits for room, and holds it until it is complete."""

    def __init__(self, budget: BodyBudget, network: str, size: int) -> None:
        self.complete = asyncio.Event()
        self.admitted = False
        self.task = asyncio.create_task(self._receive(budget, network, size))

    async def _receive(self, budget: BodyBudget, network: str, size: int) -> None:
        async with budget.room(network, size):
            self.admitted = True
            await self.complete.wait()

    async def end(self) -> None:
        """Receive the rest."""
        self.complete.set()
        await self.task


async def uploads(budget: BodyBudget, *bodies: tuple[str, int]) -> list[Upload]:
    """Bodies that have got their room as far as there is any."""
    begun = [Upload(budget, network, size) for network, size in bodies]
    for _ in range(3):
        await asyncio.sleep(0)
    return begun


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bodies that wait for room for a moment only."""
    monkeypatch.setattr("adapters.http.api.body_budget.EVICTION_SECONDS", 0.01)
    monkeypatch.setattr("adapters.http.api.body_budget.MAX_WAIT_SECONDS", 0.02)


async def test_large_bodies_in_flight_are_bounded_in_all_and_of_each_network() -> None:
    """M6: what is being received is counted."""
    budget = BodyBudget(total=1_000, per_network=600)
    first, second, third, fourth = await uploads(budget, ("a", 600), ("a", 1), ("b", 300), ("c", 101))
    assert [each.admitted for each in (first, second, third, fourth)] == [True, False, True, False]
    assert budget.held == 900
    for each in (first, second, third, fourth):
        await each.end()
    assert budget.held == 0


@pytest.mark.parametrize("value", [b"NaN", b"Infinity", b"-Infinity"])
async def test_numbers_that_json_does_not_have_are_malformed(api: HttpApi, token: dict[str, str], value: bytes) -> None:
    """RFC 8259, 6."""
    answer = await post(api, "/v1/teams", b'{"name": %s}' % value, token)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")


async def test_bodies_of_one_network_take_64_mib_and_all_together_256_mib() -> None:
    budget, mib = BodyBudget(), 2**20
    held = await uploads(budget, *[(f"network {number}", 64 * mib) for number in range(4)])
    beyond = await uploads(budget, ("network 0", 1), ("another", 1))
    assert [each.admitted for each in held + beyond] == [True] * 4 + [False] * 2
    for each in held + beyond:
        await each.end()


async def test_a_body_that_finds_no_room_waits_and_networks_take_turns() -> None:
    budget = BodyBudget(total=100)
    first, *waiting = await uploads(budget, ("a", 100), ("a", 100), ("a", 100), ("b", 100), ("c", 100))
    order = []
    for upload, name in zip(waiting, ("a1", "a2", "b", "c"), strict=True):
        upload.task.add_done_callback(lambda _, name=name: order.append(name))  # type: ignore[misc]
    for each in waiting:
        each.complete.set()
    await first.end()
    await asyncio.gather(*(each.task for each in waiting))
    assert order == ["a1", "b", "c", "a2"]


@pytest.mark.usefixtures("impatient")
async def test_bodies_without_an_end_keep_no_other_network_out() -> None:
    """Four networks hold all the room. One of them loses its oldest body, and the newcomer has time."""
    budget = BodyBudget(total=80, per_network=20)
    endless = await uploads(budget, *[(network, 10) for network in "abcd" for _ in range(2)])
    (newcomer,) = await uploads(budget, ("e", 5))
    await until(lambda: newcomer.admitted)
    with pytest.raises(problems.Overload):
        await endless[0].task
    assert [each.task.done() for each in endless] == [True] + [False] * 7
    assert budget.held == 75
    for each in (newcomer, *endless[1:]):
        await each.end()


@pytest.mark.usefixtures("impatient")
async def test_a_network_that_would_hold_the_most_itself_ends_no_other_body() -> None:
    budget = BodyBudget(total=20)
    held = await uploads(budget, ("a", 10), ("b", 10))
    (newcomer,) = await uploads(budget, ("c", 10))
    with pytest.raises(problems.Overload):
        await newcomer.task
    assert not any(each.task.done() for each in held)
    for each in held:
        await each.end()
    assert budget.held == 0


async def test_a_body_whose_request_is_cancelled_while_it_waits_takes_no_room() -> None:
    budget = BodyBudget(total=10)
    first, second, third = await uploads(budget, ("a", 10), ("b", 10), ("c", 10))
    second.task.cancel()
    await first.end()
    await third.end()
    assert (second.task.cancelled(), budget.held) == (True, 0)


@pytest.mark.usefixtures("impatient")
async def test_a_body_that_finds_no_room_in_time_is_told_to_come_again() -> None:
    async with open_http_api(bodies=BodyBudget(total=10)) as api:
        _, token = await api.account()
        large = {"title": "Large", "content": "x" * Body.MAX_BYTES}
        answer = await api.client.post(DOCUMENTS, json=large, headers=token)
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "overloaded", "2")


async def test_a_large_body_waits_for_the_end_of_others() -> None:
    """One address was enough to have it refused at once."""
    bodies = BodyBudget(total=100_000)
    async with open_http_api(bodies=bodies) as api:
        _, token = await api.account()
        (other,) = await uploads(bodies, ("192.0.2.1", 100_000))
        large = {"title": "Large", "content": "x" * Body.MAX_BYTES}
        answer = asyncio.create_task(api.client.post(DOCUMENTS, json=large, headers=token))
        await until(lambda: len(bodies.waiting))
        await other.end()
        assert (await answer).status_code == 201
    assert bodies.held == 0


async def test_logins_are_received_while_large_bodies_take_all_the_room() -> None:
    """M6: five of the largest bodies from each of four addresses did so. Connections bound the small ones."""
    bodies = BodyBudget(total=10)
    async with open_http_api(bodies=bodies) as api:
        await api.account()
        (large,) = await uploads(bodies, ("192.0.2.1", 10))
        answer = await api.client.post("/v1/auth/login", json={**LOGIN, "password": PASSWORD})
        await large.end()
    assert answer.status_code == 200
