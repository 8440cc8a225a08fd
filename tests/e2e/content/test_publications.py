"""Public documents over HTTP: read by everybody, cached for a minute, and gone with the answer that ends them."""

from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from application.identity.suspension import RequestDeletion
from tests.support.api import Account, Api
from tests.support.http import PASSWORD

HTML = {"Accept": "text/html,application/xhtml+xml;q=0.9"}
TITLE, CONTENT = "<script>alert(1)</script>", "</main><style>*{}</style>{style} & **otters**"


@pytest.fixture(scope="module")
def anyone(api: Api) -> httpx2.Client:
    """A client without a token."""
    return api.client()


def published(owner: Account, **choice: Any) -> tuple[str, str]:
    """The path of a new document, and its public one, which shows it already."""
    path = owner.document(TITLE, CONTENT)
    public = owner.write("POST", f"{path}/publication", 201, json=choice).headers["Location"]
    owner.read(f"{path}/publication")
    return path, public


def test_everybody_reads_a_public_document(api: Api, anyone: httpx2.Client) -> None:
    owner = api.account("pro")
    path, public = published(owner)
    answer = anyone.get(public)
    assert (answer.status_code, answer.json()["content"], answer.json()["version"]) == (200, CONTENT, 1)
    assert str(owner.id) not in answer.text
    assert path.rpartition("/")[2] not in answer.text
    assert answer.headers["Cache-Control"] == "public, max-age=60"
    assert (answer.headers["ETag"], answer.headers["X-Robots-Tag"]) == ('"1-0"', "noindex")
    again = anyone.get(public, headers={"If-None-Match": '"1-0"'})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", '"1-0"')
    owner.write("PUT", path, json={"title": "New", "content": "", "status": "draft"})
    owner.read(path)
    assert anyone.get(public, headers={"If-None-Match": '"1-0"'}).json()["title"] == "New"
    owner.write("POST", f"{path}/publication", 201, json={"indexed": True})
    owner.read(f"{path}/publication")
    answer = anyone.get(public, headers={"If-None-Match": '"2-0"'})
    assert (answer.status_code, "X-Robots-Tag" in answer.headers) == (200, False)


def test_a_browser_gets_a_page_with_markdown_and_without_scripts(api: Api, anyone: httpx2.Client) -> None:
    _, public = published(api.account("pro"), indexed=True)
    page = anyone.get(public, headers=HTML)
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "X-Robots-Tag" not in page.headers
    assert page.headers["ETag"] == '"1-1-2"' != anyone.get(public).headers["ETag"]
    assert "Accept" in page.headers["Vary"]
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert "script-src" not in page.headers["Content-Security-Policy"]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text
    assert "{style} &amp; <strong>otters</strong>" in page.text
    assert (page.text.count("<style>"), page.text.count("<script"), page.text.count("</main>")) == (1, 0, 1)
    assert anyone.get(public, headers={**HTML, "If-None-Match": '"1-1-2"'}).status_code == 304


ENDS: dict[str, Callable[[Api, Account, str], object]] = {
    "withdrawn": lambda _, owner, path: owner.write("DELETE", f"{path}/publication", 204),
    "trashed": lambda _, owner, path: owner.write("DELETE", path),
    "account deleted": lambda api, owner, _: api.send(RequestDeletion(password=PASSWORD), owner.id),
}


@pytest.mark.parametrize("end", ENDS)
def test_what_ends_a_publication_is_effective_with_its_answer(api: Api, anyone: httpx2.Client, end: str) -> None:
    owner = api.account("pro")
    path, public = published(owner)
    assert anyone.get(public).status_code == 200
    ENDS[end](api, owner, path)
    assert anyone.get(public).status_code == 404
    assert anyone.get(public, headers=HTML).status_code == 404
