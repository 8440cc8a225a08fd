"""HTML pages: their policy allows their own style and script, by digest, and what they ask for; nothing else."""

from base64 import b64encode
from hashlib import sha256

import pytest

from adapters.http.api.html import html_page

TEXT = "<style>p {}</style>\n<script>\nrun()\n</script>"


def digest(text: bytes) -> str:
    return f"'sha256-{b64encode(sha256(text).digest()).decode()}'"


STYLE, SCRIPT = digest(b"p {}"), digest(b"\nrun()\n")
END = "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


@pytest.mark.parametrize(
    ("script", "assets", "sources"),
    [
        (False, False, f"style-src {STYLE}"),
        (True, False, f"script-src {SCRIPT}; style-src {STYLE}; connect-src 'self'"),
        (False, True, f"style-src {STYLE} 'self'; img-src 'self' data:"),
        (True, True, f"script-src {SCRIPT} 'self'; style-src {STYLE} 'self'; connect-src 'self'; img-src 'self' data:"),
    ],
)
def test_a_page_may_load_its_own_parts_only(script: bool, assets: bool, sources: str) -> None:
    made = html_page(TEXT, script=script, assets=assets)
    assert made.policy.decode() == f"default-src 'none'; {sources}; {END}"
    assert made.body == TEXT.encode()


def test_a_page_has_no_script_and_no_assets_unless_it_asks_for_them() -> None:
    assert html_page(TEXT) == html_page(TEXT, script=False, assets=False)


def test_a_page_is_answered_with_its_policy_and_may_be_cached() -> None:
    made = html_page(TEXT)
    answer = made.answer()
    assert (answer.status_code, answer.body) == (200, made.body)
    assert dict(answer.raw_headers) == {
        b"cache-control": b"public, max-age=300",
        b"content-security-policy": made.policy,
        b"content-type": b"text/html; charset=utf-8",
        b"content-length": b"%d" % len(made.body),
    }
