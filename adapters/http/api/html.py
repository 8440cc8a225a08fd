"""HTML pages that load nothing from elsewhere: a Content-Security-Policy allows their own script and style only."""

import re
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256

from adapters.http.api.responses import PUBLIC, Answer


@dataclass(frozen=True, slots=True)
class HtmlPage:
    """A page and its Content-Security-Policy."""

    body: bytes
    policy: bytes

    def answer(self) -> Answer:
        """Answer with the page."""
        headers = [PUBLIC, (b"content-security-policy", self.policy)]
        return Answer(self.body, 200, headers, media=b"text/html; charset=utf-8")


def html_page(text: str, *, script: bool = False, assets: bool = False) -> HtmlPage:
    """Make a page of a text with one `<style>` and, if `script`, one inline `<script>`, which may call this API.

    `assets`: it may also load scripts, styles and images from us, and images that are written as `data:` addresses.
    """
    own = " 'self'" if assets else ""
    sources = [f"style-src {_digest(text, 'style')}{own}"]
    if script:
        sources = [f"script-src {_digest(text, 'script')}{own}", *sources, "connect-src 'self'"]
    if assets:
        sources.append("img-src 'self' data:")
    rules = ["default-src 'none'", *sources, "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"]
    return HtmlPage(text.encode(), "; ".join(rules).encode())


def _digest(text: str, name: str) -> str:
    """Return the source expression (CSP 3, 2.3.1) that allows a page's inline `script` or `style`."""
    found = re.search(f"<{name}>(.*?)</{name}>", text, re.DOTALL)
    assert found is not None
    return f"'sha256-{b64encode(sha256(found[1].encode()).digest()).decode()}'"
