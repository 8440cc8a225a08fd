"""Markdown of people as HTML that is safe to show: rendered by cmark (GitHub's dialect), then sanitised by nh3.

There are two walls. Raw HTML is text, so all elements are cmark's own; and nh3 lets through the few that Markdown
needs, with absolute links and without scripts, styles, images, forms and ids, whatever cmark wrote.
"""

import asyncio
import re
from functools import cache
from html import escape
from urllib.parse import quote

import nh3
from cmarkgfm import github_flavored_markdown_to_html
from cmarkgfm.cmark import Options

from adapters.fair_queue import FairTurns, TooManyWait
from application.ports import Unavailable

MAX_CHARACTERS = 100_000
"""Longer texts are shown as they are: the worst of this length found take half a second, outside of Python's lock."""

MAX_HTML = 1_000_000
"""Characters of rendered HTML. A small table with many columns becomes fifty times as long."""

MAX_DEPTH = 100
"""Elements in each other: the time of sanitising grows with the square of it."""

MAX_WAITING = 32
"""Texts that are rendered or wait, one at a time; of more, the network with the most loses one."""

TAGS = {"a", "p", "br", "hr", "em", "strong", "del", "code", "pre", "blockquote", "ul", "ol", "li"}
TAGS |= {"h1", "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td"}
ATTRIBUTES: dict[str, set[str]] = {
    "*": set(),
    "a": {"href", "title"},
    "ol": {"start"},
    "td": {"align"},
    "th": {"align"},
}
SCHEMES = {"http", "https", "mailto"}

RAW = re.compile("<(?!https?://|mailto:)")
"""The beginning of raw HTML, and of nothing else but pointy brackets around links within Markdown's own syntax."""

LESS = "\ufdd0"
"""A noncharacter that stands for `<` while cmark runs. It would leave raw HTML out, with the words in it."""

IMAGE = re.compile(r'<img src="([^"]*)" alt="([^"]*)"[^>]*>')
"""As cmark writes it: all quotes within are escaped."""

TAG = re.compile(r"<(/?)(?!br|hr|img|input)[a-z]")


class MarkdownRenderer:
    """Renders one text at a time, in a thread."""

    def __init__(self) -> None:
        self._turns = FairTurns(1)

    async def html(self, text: str) -> str | None:
        """Return a Markdown text as safe HTML; None: it is too long or too deep, so show it as it is.

        Raises:
            Unavailable: too many texts wait.
        """
        if len(text) > MAX_CHARACTERS:
            return None
        try:
            async with self._turns.turn(MAX_WAITING):
                return await asyncio.to_thread(rendered, text)
        except TooManyWait:
            raise Unavailable("The renderer") from None


def rendered(text: str) -> str | None:
    """Return a Markdown text as safe HTML; None: the HTML is too long or too deep."""
    html = github_flavored_markdown_to_html(RAW.sub(LESS, text), Options.CMARK_OPT_HARDBREAKS)
    html = html.replace(LESS, "&lt;").replace(quote(LESS), "%3C")
    if len(html) > MAX_HTML or _depth(html) > MAX_DEPTH:
        return None
    # Images would tell other hosts who reads the page; the page may load nothing anyway.
    return _cleaner().clean(IMAGE.sub(r'<a href="\1">\2</a>', html))


def as_written(text: str) -> str:
    """Return a text as HTML that shows it as it is."""
    return f"<div>{escape(text)}</div>"


@cache
def _cleaner() -> nh3.Cleaner:
    return nh3.Cleaner(
        tags=TAGS,
        attributes=ATTRIBUTES,
        url_schemes=SCHEMES,
        url_relative="deny",
        link_rel="noopener noreferrer nofollow ugc",
    )


def _depth(html: str) -> int:
    """Return how many elements of cmark's output are in each other at most. A `<` in its texts is escaped."""
    depth = deepest = 0
    for tag in TAG.finditer(html):
        depth += -1 if tag[1] else 1
        deepest = max(deepest, depth)
    return deepest
