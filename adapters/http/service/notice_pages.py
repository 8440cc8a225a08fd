"""Pages that links in mails lead to where there is nothing to send, for an installation without a front end of its own.

They only say what to do: who answers is a person who is logged in.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Literal

from adapters.http.api.html import HtmlPage, html_page
from adapters.http.api.responses import Answer
from adapters.http.api.routers import Router

router = Router("/v1/auth/links", include_in_schema=False)

Notice = Literal[
    "invitation",
    "offer",
    "access",
    "shared",
    "requests",
    "joining",
    "joined",
    "domains",
    "usage",
    "team_usage",
    "failed",
]

NOTICES: Mapping[Notice, tuple[str, str]] = {
    "invitation": (
        "You are invited to a team",
        "Log in with the email address that the invitation was sent to, or register with it. Then the invitation is in "
        "your list of invitations, where you accept or decline it.",
    ),
    "offer": (
        "A document is offered to you",
        "Log in with the email address that the mail was sent to, or register with it. Then the document is in your "
        "list of offers, where you accept or decline it.",
    ),
    "access": (
        "Somebody asks for access to your document",
        "Log in. Then the request is in the list of requests of the document, where you accept or decline it.",
    ),
    "shared": ("You have access to a document", "Log in. Then the document is in your list of shared documents."),
    "joining": (
        "Somebody asks to join your team",
        "Log in. Then the request is in the list of requests of the team, where you accept or decline it.",
    ),
    "domains": (
        "A domain of your team is not proved any more",
        "Log in. Then the domain is in the list of domains of the team, with the record that proves it.",
    ),
    "joined": ("You are a member of a team", "Log in. Then the team is in your list of teams."),
    "usage": (
        "Your budget for language models",
        "Log in. Then your usage says how much of this month's budget is left, and the statement of the month what has "
        "cost how much.",
    ),
    "team_usage": (
        "The budget of your team for language models",
        "Log in. Then the budget of the team says how much is left of it this month, and who has used how much.",
    ),
    "failed": (
        "A text that could not be written",
        "Log in. Then the request is in your list of generations, where you try it again.",
    ),
    "requests": ("Your request was answered", "Log in. Then the request is in your list of requests."),
}
"""Title and text of each page."""


@router.get("/invitation")
async def invitation_page() -> Answer:
    """Return the page of an invitation."""
    return notice_page("invitation").answer()


@router.get("/offer")
async def offer_page() -> Answer:
    """Return the page of a document that is offered."""
    return notice_page("offer").answer()


@router.get("/access")
async def access_page() -> Answer:
    """Return the page of a request that waits for an answer."""
    return notice_page("access").answer()


@router.get("/shared")
async def shared_page() -> Answer:
    """Return the page of a document that was shared."""
    return notice_page("shared").answer()


@router.get("/requests")
async def requests_page() -> Answer:
    """Return the page of one's own requests."""
    return notice_page("requests").answer()


@router.get("/joining")
async def joining_page() -> Answer:
    """Return the page of a join request that waits for an answer."""
    return notice_page("joining").answer()


@router.get("/joined")
async def joined_page() -> Answer:
    """Return the page of a team that has a new member."""
    return notice_page("joined").answer()


@router.get("/domains")
async def domains_page() -> Answer:
    """Return the page of a domain that was lost."""
    return notice_page("domains").answer()


@router.get("/usage")
async def usage_page() -> Answer:
    """Return the page of a user's budget."""
    return notice_page("usage").answer()


@router.get("/team_usage")
async def team_usage_page() -> Answer:
    """Return the page of a team's budget."""
    return notice_page("team_usage").answer()


@router.get("/failed")
async def failed_page() -> Answer:
    """Return the page of a generation that is dead."""
    return notice_page("failed").answer()


@cache
def notice_page(name: Notice) -> HtmlPage:
    """Return a page, which has no script."""
    title, text = NOTICES[name]
    page = files("adapters.http.service").joinpath("notice_page.html").read_text()
    return html_page(page.replace("{title}", title).replace("{text}", text))
