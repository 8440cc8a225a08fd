"""The page that the link in an invitation leads to, for an installation without a front end of its own.

It only says what to do: an invitation is answered by a person who is logged in with its address.
"""

from functools import cache
from importlib.resources import files

from adapters.http.api.html import HtmlPage, html_page
from adapters.http.api.responses import Answer
from adapters.http.api.routers import Router

router = Router("/v1/auth/links/invitation", include_in_schema=False)


@router.get("")
async def invitation_page() -> Answer:
    """Return the page."""
    return page().answer()


@cache
def page() -> HtmlPage:
    """Return the page, which has no script."""
    return html_page(files("adapters.http.teams").joinpath("invitation_page.html").read_text())
