"""Markdown of people as HTML: whatever they write, the page has no script, no style and no foreign thing in it."""

import asyncio
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.client_network import client_network
from adapters.http.api import markdown
from adapters.http.api.markdown import (
    ATTRIBUTES,
    MAX_CHARACTERS,
    MAX_DEPTH,
    MAX_WAITING,
    TAGS,
    MarkdownRenderer,
    as_written,
    rendered,
)
from application.ports import Unavailable

ATTACKS = [
    "<script>alert(1)</script>",
    "<ScRiPt/src=//evil.example>",
    "<img src=x onerror=alert(1)>",
    "![x](javascript:alert(1))",
    '![a" onerror="alert(1)](https://evil.example/x.png "t\' onload=alert(1)")',
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt&colon;alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](&#x6A;avascript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](vbscript:x)",
    "[x](//evil.example)",
    "[x](/v1/auth/logout)",
    "<javascript:alert(1)>",
    "[x]: javascript:alert(1)\n\n[x]",
    '[x](https://a.example "onmouseover=alert(1)")',
    '[x](https://a.example/"onmouseover="alert(1))',
    "<svg/onload=alert(1)>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<style>*{background:url(https://evil.example)}</style>",
    '<p style="position:fixed">',
    '<a id="main" name="x" href="#">',
    "<base href=//evil.example>",
    "<meta http-equiv=refresh content=0>",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "<form action=//evil.example><input name=a><button>",
    "<!--><script>alert(1)</script>-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?php alert(1) ?>",
    "</main></body><script>alert(1)</script>",
    "```html\n<script>alert(1)</script>\n```",
    "`<script>`",
    "|<script>|\n|:-|\n|<img onerror=x>|",
    "~~<b onclick=alert(1)>~~",
    "- [x] <object data=x>",
    "> > * 1. <embed src=x>",
    "\N{NULL}<script\N{NULL}>",
    "&lt;script&gt;",
    "\\<script>",
    "<scr<script>ipt>",
]
TEXTS = st.lists(
    st.sampled_from([*ATTACKS, "\n", "\n\n", " ", "    ", "*", "[", "](", ")", "<", ">", '"', "&", "`", "|", "> "]),
    max_size=8,
).map("".join)


class Elements(HTMLParser):
    """The elements of a page, and how its links begin."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, str, str]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [(tag, name, value or "") for name, value in attrs] or [(tag, "", "")]

    def handle_comment(self, data: str) -> None:
        self.found.append(("comment", "", data))

    def handle_decl(self, decl: str) -> None:
        self.found.append(("declaration", "", decl))

    def handle_pi(self, data: str) -> None:
        self.found.append(("instruction", "", data))

    def unknown_decl(self, data: str) -> None:
        self.found.append(("declaration", "", data))


def require_harmless(html: str) -> None:
    for tag, name, value in Elements(html).found:
        assert tag in TAGS
        assert name == "" or name in ATTRIBUTES.get(tag, set()) or (tag, name) == ("a", "rel")
        if name == "href":
            assert value.lower().startswith(("http://", "https://", "mailto:"))
        if name == "rel":
            assert value == "noopener noreferrer nofollow ugc"


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_harmless(attack: str) -> None:
    html = rendered(attack)
    assert html is not None
    require_harmless(html)


@given(TEXTS | st.text(max_size=60))
@example("[![x](https://a.example)](javascript:alert(1))")
@example('![" onerror=alert(1) x="](x)')
def test_attacks_within_each_other_are_harmless(text: str) -> None:
    html = rendered(text)
    assert html is not None
    require_harmless(html)


@pytest.mark.parametrize(
    "html", ["<script>alert(1)</script>", '<p onclick="x">', '<a href="javascript:x">', '<a href="/x">', "<!-- -->"]
)
def test_what_is_not_harmless_is_found(html: str) -> None:
    with pytest.raises(AssertionError):
        require_harmless(html)


def test_raw_html_that_the_renderer_lets_through_is_sanitised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markdown, "github_flavored_markdown_to_html", lambda text, _: text)
    for attack in ATTACKS:
        require_harmless(rendered(attack) or "")


def test_what_people_write_is_shown() -> None:
    html = rendered(
        "# Otters\n\nThey *eat* **fish**,\n~~stones~~ & [more](https://a.example 'Title').\n\n"
        "3. one\n4. two\n\n| a | b |\n|:--|---|\n| 1 | `2` |\n\n> said\n\n![A river](https://a.example/r.png)\n\n---\n"
    )
    assert html is not None
    rel = 'rel="noopener noreferrer nofollow ugc"'
    for part in (
        "<h1>Otters</h1>",
        "<em>eat</em> <strong>fish</strong>,<br>",
        f'<del>stones</del> &amp; <a href="https://a.example" title="Title" {rel}>more</a>',
        '<ol start="3">',
        '<th align="left">a</th>',
        "<code>2</code>",
        "<blockquote>",
        f'<a href="https://a.example/r.png" {rel}>A river</a>',
        "<hr>",
    ):
        assert part in html


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("<div>\n*so* it is", "<p>&lt;div&gt;<br>\n<em>so</em> it is</p>\n"),
        ("a < b, `<i>`, <!-- no -->", "<p>a &lt; b, <code>&lt;i&gt;</code>, &lt;!-- no --&gt;</p>\n"),
        ("[x](https://a.example/<y)", '<p><a href="https://a.example/%3Cy" rel="{}">x</a></p>\n'),
        ("<https://a.example>", '<p><a href="https://a.example" rel="{}">https://a.example</a></p>\n'),
    ],
)
def test_raw_html_is_text(text: str, html: str) -> None:
    assert rendered(text) == html.format("noopener noreferrer nofollow ugc")


def test_code_is_shown_as_it_is() -> None:
    assert rendered("```html\n<b>1 & 2</b>\n```") == "<pre><code>&lt;b&gt;1 &amp; 2&lt;/b&gt;\n</code></pre>\n"


@pytest.mark.parametrize(
    "text",
    [
        "a" * (MAX_CHARACTERS + 1),
        "a\n" * 500_000,
        "> " * (MAX_DEPTH + 1) + "a",
        "> " * 40_000,
        "*a **b " * 10_000 + "** *" * 10_000,
        "|".join("a" * 500) + "\n" + "|".join("-" * 500) + "\n" + "a\n" * 40_000,
    ],
    ids=["long", "a million", "deep", "very deep", "deep emphasis", "wide table"],
)
async def test_a_text_that_takes_long_is_shown_as_it_is(text: str) -> None:
    html = await MarkdownRenderer().html(text)
    assert html is None or len(html) <= 2 * len(text)


def test_a_text_as_it_is_has_no_elements_of_its_own() -> None:
    assert as_written("<script>\n&") == "<div>&lt;script&gt;\n&amp;</div>"


async def test_of_many_texts_the_newest_of_one_network_are_refused() -> None:
    renderer = MarkdownRenderer()
    client_network.set("192.0.2.0")
    results = await asyncio.gather(*[renderer.html("*a*") for _ in range(MAX_WAITING + 3)], return_exceptions=True)
    assert [type(each) for each in results].count(Unavailable) == 3
    assert results[0] == "<p><em>a</em></p>\n"
