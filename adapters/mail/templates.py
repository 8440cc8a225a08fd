"""The texts of mails: one Jinja template each, rendered as plain text and as HTML.

A template extends `layout` and is made of blocks (`greeting`, `paragraph`, `button`), which are macros: those of
`parts/blocks.txt.jinja` or of `parts/blocks.html.jinja`. So both forms of a mail say the same. Values are never
templates. Each mail has the values `name` and `team`, which may be missing; `page(purpose, token)` is the address of
its link.
"""

import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, UndefinedError

from adapters.mail.names import shown_name
from adapters.mail.pages import LinkPages
from application.ports import Mail

LINE_LENGTH = 72
SUFFIX = ".jinja"


@dataclass(frozen=True, slots=True)
class MailText:
    """A rendered mail."""

    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)


def render(mail: Mail, pages: LinkPages) -> MailText:
    """Render a mail.

    Raises:
        LookupError: there is no such template, or a value that it shows is missing.
    """
    values = {**mail.values, **_names(mail), "page": pages.url}
    try:
        text = _rendered("txt", mail.template, values)
        html = _rendered("html", mail.template, values)
    except UndefinedError as error:
        raise LookupError(f"the mail {mail.template} lacks a value that it shows") from error
    return MailText(_subject(mail.template), re.sub("\n{3,}", "\n\n", text).strip() + "\n", html.strip() + "\n")


def _names(mail: Mail) -> Mapping[str, str]:
    """Return the names that people have chosen, as far as mails show them."""
    return {key: shown_name(mail.values.get(key, "")) for key in ("name", "team")}


def mail_names() -> list[str]:
    """Return the names of all templates."""
    files = _environment("txt").list_templates(filter_func=lambda name: "/" not in name)
    return [file.removesuffix(SUFFIX) for file in files]


def _rendered(form: str, template: str, values: Mapping[str, object]) -> str:
    environment = _environment(form)
    layout = environment.get_template(f"parts/layout.{form}{SUFFIX}")
    return environment.get_template(template + SUFFIX).render(values, layout=layout)


def _subject(template: str) -> str:
    """Return the subject, which has no values: it is shown where others may see it."""
    compiled = _environment("txt").get_template(template + SUFFIX)
    return "".join(compiled.blocks["subject"](compiled.new_context()))


@cache
def _environment(form: str) -> Environment:
    """Return the environment for text (`txt`, not escaped) or for HTML (`html`, escaped)."""
    environment = Environment(
        loader=PackageLoader("adapters.mail"),
        autoescape=form == "html",  # noqa: S701 - plain text is not escaped
        undefined=StrictUndefined,
        trim_blocks=True,
        auto_reload=False,
    )
    environment.filters["filled"] = _filled
    blocks = environment.get_template(f"parts/blocks.{form}{SUFFIX}").module
    environment.globals |= {name: getattr(blocks, name) for name in ("greeting", "paragraph", "button", "footer")}
    return environment


def _filled(text: str) -> str:
    """Return a paragraph in lines of the usual length; links and long words stay whole."""
    return textwrap.fill(" ".join(text.split()), LINE_LENGTH, break_long_words=False, break_on_hyphens=False)
