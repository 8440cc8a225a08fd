"""The page that the link in a mail about an offered document leads to, where an installation has no front end.

It only says what to do: an offer is answered by a person who is logged in with its address.
"""

from functools import cache
from importlib.resources import files

from adapters.http.api.html import HtmlPage, html_page
from adapters.http.api.responses import Answer
from adapters.http.api.routers import Router

router = Router("/v1/auth/links/offer", include_in_schema=False)


@router.get("")
async def offer_page() -> Answer:
    """Return the page."""
    return page().answer()


@cache
def page() -> HtmlPage:
    """Return the page, which has no script."""
    return html_page(files("adapters.http.content").joinpath("offer_page.html").read_text())
