"""ASVS 1.2.4: texts that look like SQL or its parameters are texts: as content, in a cursor, in a query, as a login."""

from base64 import urlsafe_b64encode
from uuid import UUID

import msgspec
import pytest

from tests.support.api import Account, Api

CORPUS = [
    "' OR '1'='1",
    "'; DROP TABLE read.document; --",
    "\\'; SELECT pg_sleep(9); --",
    "'||(SELECT current_user)||'",
    "1) UNION SELECT NULL --",
    "$1 $2 %s %b %(id)s %(value)s %% {} {0}",
    "$$; SELECT 1; $$",
    "E'\\047' U&'\\0027'",
    '"; "id" = "id',
    "/* a comment */ -- and another",
    "%_\\",
    "::uuid",
]
QUERIES = ["status", "trashed", "shared", "sort", "limit", "cursor"]


@pytest.fixture(scope="module")
def ada(api: Api) -> Account:
    """An account with a document for each text."""
    account = api.account("enterprise")
    for text in CORPUS:
        account.document(text, f"{text}\n{text}")
    return account


def test_each_text_is_kept_as_it_is_and_is_a_place_in_a_list(ada: Account) -> None:
    for sort in ("title", "-title"):
        titles: list[str] = []
        cursor: dict[str, str | None] = {}
        for _ in CORPUS:
            page = ada.read("/v1/documents", params={"sort": sort, "limit": 1, **cursor})
            titles += [item["title"] for item in page["items"]]
            cursor = {"cursor": page["next"]}
        assert cursor == {"cursor": None}
        assert sorted(titles) == sorted(CORPUS)


@pytest.mark.parametrize("text", CORPUS)
def test_a_text_in_a_query_is_refused_or_no_different_from_another(ada: Account, text: str) -> None:
    for name in QUERIES:
        answer = ada.client.get("/v1/documents", params={name: text})
        assert answer.status_code == 422, (name, answer.text)
    forged = urlsafe_b64encode(msgspec.json.encode(["title", text, UUID(int=2**128 - 1)])).decode().rstrip("=")
    after = ada.client.get("/v1/documents", params={"sort": "title", "cursor": forged}).json()["items"]
    assert {item["title"] for item in after} < {*CORPUS}
    assert ada.client.get(f"/v1/documents/{text.replace('/', '')}").status_code in (404, 422)
    assert ada.client.get("/v1/documents", params={"limit": 100}).json()["items"][0]["title"] in CORPUS


@pytest.mark.parametrize("text", CORPUS)
def test_a_text_as_a_login_or_a_name_of_a_team_finds_and_makes_nothing(api: Api, ada: Account, text: str) -> None:
    login = api.client().post("/v1/auth/login", json={"email": f"{text}@example.org", "password": text})
    assert login.status_code in (401, 422), login.text
    team = ada.client.post("/v1/teams", json={"name": text, "slug": text})
    assert team.status_code == 422, team.text
