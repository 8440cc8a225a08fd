"""Pages that links in mails lead to: they load nothing from elsewhere, and do nothing before a button is pressed."""

import re
from html.parser import HTMLParser
from typing import get_args

import pytest

from adapters.http.identity.link_pages import FORMS, LinkForm, LinkPage
from adapters.http.service.notice_pages import NOTICES
from adapters.mail.pages import LinkPages
from adapters.mail.templates import mail_names, render
from tests.support.http import HttpApi, openapi_schema
from tests.support.mails import mail

PAGES = get_args(LinkPage)
"""Pages that only say what to do."""


class Form(HTMLParser):
    """The form of a page, and the links of the page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.form: dict[str, str | None] = {}
        self.fields: list[str | None] = []
        self.links: list[str | None] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "form":
            self.form = found
        if tag == "input":
            self.fields.append(found["name"])
        self.links += [found[name] for name in ("href", "src", "action") if name in found]


async def shown(api: HttpApi, name: str) -> str:
    answer = await api.client.get(f"/v1/auth/links/{name}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    return answer.text


def test_every_link_of_a_mail_has_its_page() -> None:
    pages = LinkPages("https://app.example.org/{purpose}#{token}")
    texts = [render(mail(template), pages).text for template in mail_names()]
    links = {found for text in texts for found in re.findall(r"https://app.example.org/(\w+)(#?)", text)}
    assert {purpose for purpose, _ in links} == {*PAGES, *NOTICES}
    assert {*PAGES} == {*FORMS}
    with_token = {name for name in PAGES if FORMS[name].needs_token}
    assert {purpose for purpose, token in links if token} == {*with_token, *NOTICES}


@pytest.mark.parametrize("name", NOTICES)
async def test_a_notice_leads_to_a_page_that_says_what_to_do(api: HttpApi, name: str) -> None:
    text = await shown(api, name)
    assert "<p>Log in" in text
    assert Form(text).form == {}
    assert "<script" not in text


@pytest.mark.parametrize(
    ("name", "path", "fields"),
    [
        ("verify", "../verify", []),
        ("reset", "../reset-password", ["password"]),
        ("forgot", "../forgot-password", ["email"]),
        ("email", "../confirm-email", []),
        ("undo", "../undo-email-change", []),
        ("lockdown", "../lockdown", []),
        ("domain", "../prove-domain", []),
        ("withdraw", "../withdraw-deletion", ["email", "password"]),
    ],
)
async def test_a_page_has_the_fields_of_its_operation(api: HttpApi, name: str, path: str, fields: list[str]) -> None:
    form = Form(await shown(api, name))
    assert (form.form["data-path"], form.fields) == (path, fields)


@pytest.mark.parametrize("name", PAGES)
async def test_a_page_loads_nothing_and_posts_only_by_its_script(api: HttpApi, name: str) -> None:
    answer = await api.client.get(f"/v1/auth/links/{name}")
    assert Form(answer.text).links == []
    rules = dict(rule.split(" ", 1) for rule in answer.headers["content-security-policy"].split("; "))
    assert rules.pop("script-src").startswith("'sha256-")
    assert rules.pop("style-src").startswith("'sha256-")
    assert rules == {
        "default-src": "'none'",
        "connect-src": "'self'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("name", PAGES)
async def test_the_script_sends_only_when_the_form_is_submitted(api: HttpApi, name: str) -> None:
    script = re.findall(r"<script>(.*?)</script>", await shown(api, name), re.DOTALL)[0]
    before, _, submitted = script.partition('form.addEventListener("submit"')
    assert "fetch(" not in before
    assert "fetch(" in submitted
    assert "innerHTML" not in script


async def test_there_are_no_other_pages(api: HttpApi) -> None:
    assert (await api.client.get("/v1/auth/links/other")).status_code == 422
    assert (await api.client.post("/v1/auth/links/verify")).status_code == 405


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_page_calls_an_operation_that_exists(form: LinkForm) -> None:
    assert "post" in openapi_schema()["paths"][f"/v1/auth/{form.operation}"]
