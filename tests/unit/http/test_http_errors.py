"""The list of all codes of errors: none that is answered is missing, and each says what to do."""

import ast
import re
from collections.abc import Iterator
from html import unescape
from itertools import pairwise

import pytest

from adapters.http.api.error_codes import STEPS, error_codes
from adapters.http.api.openapi import PROBLEMS
from adapters.http.api.problems import title_of
from domain.kernel import Conflict
from tests.architecture.source import production
from tests.support.http import HttpApi

LISTED = {(each.code, status) for each in error_codes().items for status in each.statuses}


def answered(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Codes that are written beside their status: a number, then a text."""
    for node in ast.walk(tree):
        values = node.args if isinstance(node, ast.Call) else node.elts if isinstance(node, ast.Tuple) else []
        plain = [value.value if isinstance(value, ast.Constant) else None for value in values]
        for status, code in pairwise(plain):
            if type(status) is int and 400 <= status < 600 and isinstance(code, str) and re.fullmatch("[a-z_]+", code):
                yield code, status


def test_every_code_beside_a_status_is_listed() -> None:
    found = {each for source in production() for each in answered(source.tree)}
    assert {("target_too_long", 414), ("malformed", 400), ("too_slow", 408)} <= found
    assert found <= LISTED


def test_every_code_in_the_description_of_the_api_is_listed() -> None:
    assert {(code, status) for status, (code, _) in PROBLEMS.items()} <= LISTED


def test_a_new_refusal_is_listed_by_itself() -> None:
    class OtterIsAsleep(Conflict):
        """The otter is asleep."""

    error_codes.cache_clear()
    [entry] = [each for each in error_codes().items if each.code == "otter_is_asleep"]
    error_codes.cache_clear()
    assert (entry.statuses, entry.meaning, entry.next_step) == ([409], "The otter is asleep.", STEPS[409])


@pytest.mark.parametrize("entry", error_codes().items, ids=lambda each: each.code)
def test_a_code_says_in_sentences_what_it_means_and_what_to_do(entry: object) -> None:
    for text in (getattr(entry, "meaning", ""), getattr(entry, "next_step", "")):
        assert re.fullmatch(r"[A-Z`].*[.]", text), text


@pytest.mark.parametrize(
    ("code", "title"),
    [
        ("csrf_token_needed", "CSRF token needed"),
        ("not_json", "Not JSON"),
        ("already_a_member", "Already a member"),
        ("busy", "Busy"),
    ],
)
def test_a_title_is_the_words_of_the_code(code: str, title: str) -> None:
    assert title_of(code) == title


def test_titles_write_abbreviations_in_capitals() -> None:
    small = re.compile(r"\b(?:api|csrf|etag|html?|http|id|json|smtp|sql|tls|uri|url|uuid)\b", re.IGNORECASE)
    found = [word for each in error_codes().items for word in small.findall(title_of(each.code))]
    assert set(found) == {"CSRF", "JSON"}


async def test_http_lists_codes_for_programs_and_for_people(api: HttpApi) -> None:
    listed = await api.client.get("/v1/errors")
    assert (listed.status_code, listed.headers["content-type"]) == (200, "application/json")
    [stale] = [each for each in listed.json()["items"] if each["code"] == "stale_version"]
    page = await api.client.get("/v1/errors", headers={"Accept": "text/html"})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "script" not in page.headers["content-security-policy"]
    [row] = re.findall(r'<tr id="stale_version">.*</tr>', page.text)
    assert stale["meaning"] in unescape(row)
    assert stale["next_step"] in unescape(row)
    for read in (listed, page):
        assert read.headers["vary"].startswith("Accept")


async def test_the_type_of_an_error_is_that_of_its_entry(api: HttpApi) -> None:
    problem = (await api.client.get("/v1/documents")).json()
    [entry] = [each for each in error_codes().items if each.code == problem["code"]]
    assert (entry.type, entry.statuses) == (problem["type"], [problem["status"]])
