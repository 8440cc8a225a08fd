"""The catalogue of events and states, for people: one HTML page without scripts and without other files."""

import json
from collections.abc import Iterator
from functools import cache
from html import escape
from importlib.resources import files

from adapters.integration_events.asyncapi import DESCRIPTION, HEADERS, HEADERS_OF_STATES, Broker, describe
from adapters.integration_events.cloudevents import SCHEMAS
from adapters.integration_events.contract import Schema, aggregates, example_of, published, shape_of
from adapters.integration_events.kernel import IntegrationType


@cache
def catalogue(broker: Broker) -> str:
    """The page of an installation."""
    template = files("adapters.integration_events").joinpath("catalogue.html").read_text()
    return template.replace("<main></main>", f"<main>\n{_content(broker)}\n</main>")


def type_in_words(schema: Schema) -> str:
    """The type of a field, in a few words."""
    if "anyOf" in schema:
        return " or ".join(map(type_in_words, schema["anyOf"]))
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    return str(schema.get("format") or schema["type"])


def _content(broker: Broker) -> str:
    parts = [f"<p>{_html_of(line)}</p>" for line in _paragraphs()]
    for title, headers in (("headers of events", HEADERS), ("headers of states", HEADERS_OF_STATES)):
        parts += [f"<h2>{title}</h2>", _table((name, "string", text) for name, (_, text) in headers.items())]
    return "\n".join([*parts, *(_section(aggregate, broker) for aggregate in aggregates())])


def _paragraphs() -> Iterator[str]:
    """The paragraphs of the description; each item of its list is one."""
    for paragraph in DESCRIPTION.strip().replace("\n- ", "\n\n- ").split("\n\n"):
        yield " ".join(paragraph.strip().removeprefix("- ").split())


def _html_of(line: str) -> str:
    """Markdown as HTML. The description uses only `code` and **strong**."""
    text = escape(line)
    for mark, tag in (("`", "code"), ("**", "strong")):
        parts = text.split(mark)
        text = "".join(part if n % 2 == 0 else f"<{tag}>{part}</{tag}>" for n, part in enumerate(parts))
    return text


def _section(aggregate: str, broker: Broker) -> str:
    parts = [f"<h2>{aggregate}</h2>"]
    for name in (f"{aggregate}Events", f"{aggregate}State"):
        channel = describe(broker)["channels"][name]
        parts.append(f"<p>Topic <code>{escape(channel['address'])}</code>. {escape(channel['description'])}</p>")
        parts += [_entry(published()[type]) for type in channel["messages"]]
    return "\n".join(parts)


def _entry(kind: type[IntegrationType]) -> str:
    shape, type = shape_of(kind), kind.type()
    fields = _table(
        (name, _presence(name, shape) + type_in_words(schema), schema["description"])
        for name, schema in shape["properties"].items()
    )
    example = escape(json.dumps(example_of(kind), indent=2), quote=False)
    return (
        f'<details id="{type}"><summary><code>{type}</code> — {escape(shape["description"])}</summary><div>\n'
        f'{fields}\n<pre>{example}</pre>\n<p><a href="{SCHEMAS}{type}">JSON Schema</a></p>\n</div></details>'
    )


def _presence(name: str, shape: Schema) -> str:
    return "" if name in shape["required"] else "optional, "


def _table(rows: Iterator[tuple[str, str, str]]) -> str:
    lines = [
        f"<tr><td><code>{escape(name)}</code></td><td><small>{escape(kind)}</small></td><td>{escape(text)}</td></tr>"
        for name, kind, text in rows
    ]
    return "\n".join(["<table>", *lines, "</table>"])
