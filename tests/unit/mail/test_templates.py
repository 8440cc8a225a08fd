"""The texts of mails: both forms say the same, and nothing in them comes from a user but a name that looks like one."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.mail.names import shown_name
from adapters.mail.pages import LinkPages
from adapters.mail.templates import MailText, mail_names, render
from application.ports import Mail
from tests.support.mails import PAGES, SAMPLES, TOKEN, mail

LOCK = f"https://app.example.org/lockdown#token={SAMPLES['lockdown_token']}"
CONFIRM = f"https://app.example.org/email#token={TOKEN}"
WITHDRAW = "https://app.example.org/withdraw"
USAGE = f"https://app.example.org/usage#token={TOKEN}"
TEAM_USAGE = f"https://app.example.org/team_usage#token={TOKEN}"
LINKS = {
    "verify": [f"https://app.example.org/verify#token={TOKEN}"],
    "reset": [f"https://app.example.org/reset#token={TOKEN}"],
    "address_taken": ["https://app.example.org/forgot"],
    "password_changed": [LOCK],
    "new_device": [LOCK],
    "token_reused": [LOCK],
    "confirm_new_email": [CONFIRM],
    "confirm_old_email": [CONFIRM, LOCK],
    "email_changed": [f"https://app.example.org/undo#token={TOKEN}"],
    "deletion_requested": [WITHDRAW, LOCK],
    "deletion_soon": [WITHDRAW, LOCK],
    "access_asked": [f"https://app.example.org/access#token={TOKEN}"],
    "access_accepted": [f"https://app.example.org/shared#token={TOKEN}"],
    "access_declined": [f"https://app.example.org/requests#token={TOKEN}"],
    "domain_proof": [f"https://app.example.org/domain#token={TOKEN}"],
    "domain_lost": [f"https://app.example.org/domains#token={TOKEN}"],
    "join_asked": [f"https://app.example.org/joining#token={TOKEN}"],
    "join_accepted": [f"https://app.example.org/joined#token={TOKEN}"],
    "join_declined": [f"https://app.example.org/requests#token={TOKEN}"],
    "invitation": [f"https://app.example.org/invitation#token={TOKEN}"],
    "budget_50": [USAGE],
    "budget_80": [USAGE],
    "budget_100": [USAGE],
    "team_budget_50": [TEAM_USAGE],
    "team_budget_80": [TEAM_USAGE],
    "team_budget_100": [TEAM_USAGE],
    "generation_dead": [f"https://app.example.org/failed#token={TOKEN}"],
    "document_offer": [f"https://app.example.org/offer#token={TOKEN}"],
}
"""The links of each template."""
LINKED = list(LINKS)
WITHOUT_LINK = ["test", "email_in_use", "deletion_withdrawn", "deletion_held", "deletion_resumed"]

ONLY_IN_HTML = "If the button does not work, copy this address into your browser:"


class Page(HTMLParser):
    """The texts, links and tags of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.links: list[str | None] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def words(self) -> list[str]:
        """Every word that the page shows."""
        return " ".join(self.texts).split()


def rendered(template: str, name: str = "Ada") -> MailText:
    return render(mail(template, name=name), PAGES)


def test_every_template_is_looked_at() -> None:
    assert {*LINKED, *WITHOUT_LINK} == {*mail_names()}
    assert all("http" not in rendered(template).text for template in WITHOUT_LINK)


@pytest.mark.parametrize("template", LINKED)
def test_text_and_html_of_a_mail_have_the_same_words_and_the_same_links(template: str) -> None:
    mail, page = rendered(template), Page(rendered(template).html)
    assert page.links == LINKS[template]
    assert [line for line in mail.text.splitlines() if line in LINKS[template]] == LINKS[template]
    shown = " ".join(page.words).replace(f"{ONLY_IN_HTML} ", "")
    said = " ".join(mail.text.replace("\n-- \n", "\n").split())
    for link in LINKS[template]:
        said = said.replace(f": {link}", f" {link}")
    assert shown == f"{mail.subject} {said}"


@pytest.mark.parametrize("template", LINKED)
def test_a_mail_loads_nothing_and_runs_nothing(template: str) -> None:
    page = Page(rendered(template).html)
    assert page.tags == {"html", "head", "meta", "title", "body", "div", "p", "a", "span", "br"}
    assert not page.attributes & {"src", "background", "srcset", "onclick"}
    assert "url(" not in rendered(template).html


@pytest.mark.parametrize("template", LINKED)
def test_only_buttons_have_colours_and_they_set_both(template: str) -> None:
    """Dark mode: a colour without its background would be unreadable in one of the modes."""
    html = rendered(template).html
    assert re.findall(r"[^-]color:#(\w+)", html) == ["ffffff"] * len(LINKS[template])
    assert re.findall(r"background-color:#(\w+)", html) == ["1f5fbf"] * len(LINKS[template])
    assert '<meta name="color-scheme" content="light dark">' in html


@pytest.mark.parametrize("template", mail_names())
def test_subjects_are_the_same_for_all_people(template: str) -> None:
    assert rendered(template, "Ada").subject == rendered(template, "Grace").subject


@pytest.mark.parametrize(
    "name",
    [
        "Ada",
        "Ada Lovelace",
        "Dr. Ada King-Noel",
        "Siobhán O'Neill",
        "Zoë O\u2019Hara",
        "李小龍",
        "प्रिया शर्मा",
        "Nguyễn Văn A",
    ],
)
def test_a_name_is_shown(name: str) -> None:
    assert shown_name(name) == name
    assert f"Hello {name}," in rendered("verify", name).text
    assert f"Hello {name}," in " ".join(Page(rendered("verify", name).html).words)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "http://evil.example",
        "evil.example",
        "Ada evil.example",
        "www.evil.example",
        "ada@evil.example",
        "Ada\nBcc: all@example.org",
        "Ada\u202eevil",
        "<b>Ada</b>",
        "{{ link }}",
        "Call 0900 12345",
        "Win a prize and read more about it here",
        "A" * 61,
        "Ada  Lovelace",
    ],
)
def test_what_does_not_look_like_a_name_is_left_out(name: str) -> None:
    assert shown_name(name) == ""
    assert rendered("verify", name).text.startswith("Hello,\n")


@given(st.text(max_size=40))
def test_no_name_adds_a_link_a_tag_or_a_line(name: str) -> None:
    text = rendered("verify", name)
    page = Page(text.html)
    assert page.links == LINKS["verify"]
    assert page.tags == Page(rendered("verify").html).tags
    assert len(text.text.splitlines()) == len(rendered("verify").text.splitlines())
    assert text.text.count("://") == 1


def test_a_name_may_be_missing_and_a_token_may_not() -> None:
    assert "Hello,\n" in render(Mail("a@b", "verify", {"token": TOKEN}, "key"), PAGES).text
    with pytest.raises(LookupError):
        render(Mail("a@b", "verify", {"name": "Ada"}, "key"), PAGES)
    with pytest.raises(LookupError):
        render(mail("unknown"), PAGES)


@pytest.mark.parametrize(
    ("pattern", "url"),
    [
        ("https://a.example/{purpose}#token={token}", "https://a.example/forgot"),
        ("https://a.example/{purpose}?t={token}", "https://a.example/forgot"),
        ("https://a.example/{purpose}?lang=en&t={token}", "https://a.example/forgot?lang=en"),
        ("https://a.example/{purpose}/{token}", "https://a.example/forgot"),
        ("https://a.example/#/{purpose}/{token}", "https://a.example/#/forgot"),
    ],
)
def test_the_page_of_a_link_without_a_token_has_no_empty_part(pattern: str, url: str) -> None:
    assert LinkPages(pattern).url("forgot") == url
