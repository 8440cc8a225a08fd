"""HTTP for the codes of errors: a page for people, JSON for programs."""

from functools import cache
from html import escape
from importlib.resources import files

from adapters.http.api.error_codes import ErrorCode, ErrorCodes, error_codes
from adapters.http.api.html import HtmlPage, html_page
from adapters.http.api.openapi import operation
from adapters.http.api.queries import PublicRead
from adapters.http.api.responses import PUBLIC, Answer
from adapters.http.api.routers import Router

router = Router("/v1/errors", tag="service")


@router.get("", response_model=ErrorCodes, **operation("All codes."))
async def list_error_codes(read: PublicRead) -> Answer:
    """List all codes of errors: what each one means, and what to do. As a page if `Accept` names `text/html`.

    `#code` leads to a code on the page. Codes stay; new ones may be added.
    """
    return read.either(error_codes(), _page, [PUBLIC])


@cache
def _page() -> HtmlPage:
    template = files("adapters.http.service").joinpath("errors.html").read_text()
    rows = "\n".join(_row(each) for each in error_codes().items)
    return html_page(template.replace("<tbody></tbody>", f"<tbody>\n{rows}\n</tbody>"))


def _row(each: ErrorCode) -> str:
    statuses = ", ".join(map(str, each.statuses))
    cells = (f"<code>{escape(each.code)}</code>", statuses, escape(each.meaning), escape(each.next_step))
    return f'<tr id="{escape(each.code)}">' + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
