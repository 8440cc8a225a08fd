"""Bodies: every operation has its own limit, what its schema allows fits it, and a refusal costs little."""

import json
from typing import Any

import pytest

from adapters.http.api import problems
from adapters.http.api.body_budget import BodyBudget
from adapters.http.api.routers import find_routers
from adapters.http.api.schemas import Body
from adapters.http.content.document import NewDocument
from adapters.http.identity.user import Credentials
from tests.support.http import PASSWORD, HttpApi, open_http_api

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
    """The longest JSON that a member of a body may be."""
    if "anyOf" in schema:
        return max((longest(each) for each in schema["anyOf"]), key=len)
    if schema.get("type") != "string":
        return "null"
    if "enum" in schema:
        return f'"{escaped(max(schema["enum"], key=len))}"'
    if schema.get("format") == "uuid":
        return f'"{escaped("0" * 36)}"'
    if "pattern" in schema or schema.get("format") == "email":  # of ASCII; an address has at most 254 bytes
        return f'"{escaped("a") * schema["maxLength"]}"'
    return f'"{escaped(ASTRAL) * schema["maxLength"]}"'


@pytest.mark.parametrize("model", models())
def test_all_that_a_schema_allows_fits_the_limit_of_its_body(model: type[Body]) -> None:
    """Case 11: limits that agree, whatever a client escapes."""
    schema = model.model_json_schema()
    members = [f'"{escaped(name)}": {longest(each)}' for name, each in schema["properties"].items()]
    assert len("{" + ", ".join(members) + "}") <= model.MAX_BYTES


def test_limits_follow_what_bodies_hold() -> None:
    """H1: 4 KB to log in, 16 KB for all but documents."""
    others = {model.MAX_BYTES for model in models() if "content" not in model.model_fields and model is not Credentials}
    assert (Credentials.MAX_BYTES, others) == (4_096, {16_384})


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


async def test_bodies_in_flight_are_bounded(token: dict[str, str]) -> None:
    """M6: what is being received is counted, in all and for each address."""
    budget = BodyBudget(total=1_000, per_address=600)
    with budget.share("one") as one, budget.share("two") as two:
        one(Body.MAX_BYTES)
        one(600)
        with pytest.raises(problems.Overload):
            one(1)
        two(100)
        two(Body.MAX_BYTES + 300)
        with pytest.raises(problems.Overload):
            two(1)
    with budget.share("two") as two:
        two(Body.MAX_BYTES + 600)
    assert budget.held == 0


async def test_a_body_that_finds_no_room_is_told_to_come_again() -> None:
    async with open_http_api(bodies=BodyBudget(total=10, per_address=10)) as api:
        _, token = await api.register()
        large = {"title": "Large", "content": "x" * Body.MAX_BYTES}
        answer = await api.client.post(DOCUMENTS, json=large, headers=token)
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "overloaded", "2")


async def test_logins_are_received_while_large_bodies_take_all_the_room() -> None:
    """M6: five of the largest bodies from each of four addresses did so. Connections bound the small ones."""
    bodies = BodyBudget(total=10, per_address=10)
    async with open_http_api(bodies=bodies) as api:
        await api.register()
        with bodies.share("192.0.2.1") as take:
            take(Body.MAX_BYTES + 10)
            answer = await api.client.post("/v1/auth/login", json={**LOGIN, "password": PASSWORD})
    assert answer.status_code == 200
