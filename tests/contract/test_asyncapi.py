"""The AsyncAPI 3 document describes the records that are published.

What all of its types share must equal its reviewed file in `asyncapi/`; `python -m tests.contract.test_asyncapi` writes
it. The types themselves are in `streams/`.
"""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from adapters.integration_events.asyncapi import Broker, describe
from adapters.integration_events.catalogue import catalogue, type_in_words
from adapters.integration_events.contract import aggregates, published
from adapters.integration_events.kernel import PublicEvent, PublicState

GOLDEN = Path(__file__).with_name("asyncapi") / "document.json"
EVENT, STATE = "palimpsest.team.founded.v1", "palimpsest.team.state.v1"
DOCUMENT = describe(Broker(prefix="acme", partitions=12, replication=3))


def shared_parts() -> dict[str, Any]:
    """The document with one aggregate's topics and two of its messages, without their contents."""
    channels, operations = DOCUMENT["channels"], DOCUMENT["operations"]
    messages = DOCUMENT["components"]["messages"]
    events = {"teamEvents": {**channels["teamEvents"], "messages": None}}
    sending = {"sendTeamEvents": {**operations["sendTeamEvents"], "messages": None}}
    return {
        **DOCUMENT,
        "channels": {**events, "teamState": channels["teamState"]},
        "operations": {**sending, "sendTeamState": operations["sendTeamState"]},
        "components": {
            "securitySchemes": DOCUMENT["components"]["securitySchemes"],
            "messages": {type: {**messages[type], "examples": None} for type in (EVENT, STATE)},
        },
    }


def test_what_all_types_share_is_as_it_was_reviewed() -> None:
    assert shared_parts() == json.loads(GOLDEN.read_text()), (
        "Review the difference, then write it with: python -m tests.contract.test_asyncapi"
    )


def test_topics_are_those_of_the_installation() -> None:
    topics = {channel["address"]: channel["bindings"]["kafka"] for channel in DOCUMENT["channels"].values()}
    assert set(topics) == {f"acme.{about}{kind}.v1" for about in aggregates() for kind in ("", ".state")}
    assert all((each["partitions"], each["replicas"]) == (12, 3) for each in topics.values())
    assert topics["acme.team.state.v1"]["topicConfiguration"] == {"cleanup.policy": ["compact"]}


def test_the_sequence_is_called_unique_for_events_only() -> None:
    """All states of one round share it: a consumer that skipped by it would lose all but the first."""
    for type, kind in published().items():
        text = DOCUMENT["components"]["messages"][type]["headers"]["properties"]["ce_sequence"]["description"]
        assert ("unique" in text) == issubclass(kind, PublicEvent)
        assert ("several records share it" in text) == issubclass(kind, PublicState)


def test_consumers_are_told_to_skip_by_the_sequence_in_topics_of_events_only() -> None:
    (repeated,) = [line for line in DOCUMENT["info"]["description"].split("\n- ") if "ce_sequence" in line]
    assert repeated.startswith("**At least once**, in the topics of events:")
    page = catalogue(Broker(prefix="acme"))
    states = page.partition("<h2>headers of states</h2>")[2].partition("</table>")[0]
    assert "several records share it" in states
    for name, channel in DOCUMENT["channels"].items():
        assert ("the last record of a key counts" in channel["description"]) == name.endswith("State")


def test_examples_fit_their_schemas() -> None:
    for message in DOCUMENT["components"]["messages"].values():
        payload = DOCUMENT["components"]["schemas"][message["payload"]["$ref"].rpartition("/")[2]]
        for example in message["examples"]:
            jsonschema_rs.validate(payload, example["payload"], validate_formats=True)
            jsonschema_rs.validate(message["headers"], example["headers"], validate_formats=True)


def test_the_catalogue_lists_every_type_and_loads_no_other_file() -> None:
    text = catalogue(Broker(prefix="acme"))
    for type in published():
        assert f'<details id="{type}">' in text
        assert f'href="/v1/events/schemas/{type}"' in text
    for channel in describe(Broker(prefix="acme"))["channels"].values():
        assert f"<code>{channel['address']}</code>" in text
    assert "<p>- " not in text
    assert "<script" not in text
    assert "<link" not in text
    assert text.count('href="') == text.count('href="/v1/')


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "integer"}, "integer"),
        ({"type": "string", "format": "uuid"}, "uuid"),
        ({"enum": ["viewer", "editor"]}, '"viewer" | "editor"'),
        ({"anyOf": [{"type": "string", "format": "uuid"}, {"type": "null"}]}, "uuid or null"),
    ],
)
def test_the_catalogue_names_a_type_in_words(schema: dict[str, Any], words: str) -> None:
    assert type_in_words(schema) == words


def test_the_catalogue_shows_code_and_strong_words_as_such() -> None:
    text = catalogue(Broker(prefix="acme"))
    assert "<p><strong>Ordered</strong>: all records of one subject have the same key." in text
    assert "<strong>Complete</strong>: <code>ce_streamversion</code> counts the events of a subject." in text


def test_a_message_says_what_its_schema_says() -> None:
    messages, schemas = DOCUMENT["components"]["messages"], DOCUMENT["components"]["schemas"]
    assert messages.keys() == schemas.keys() == published().keys()
    for type, message in messages.items():
        shape = schemas[type]
        said = {key: message[key] for key in ("name", "title", "summary", "contentType", "payload")}
        assert said == {
            "name": type,
            "title": shape["title"],
            "summary": shape["description"],
            "contentType": "application/json",
            "payload": {"$ref": f"#/components/schemas/{type}"},
        }
        assert message["tags"] == [{"name": published()[type].aggregate()}]
        assert message["bindings"]["kafka"]["key"] == {"type": "string", "format": "uuid"}
        assert [example["name"] for example in message["examples"]] == ["one"]


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(shared_parts(), indent=2) + "\n")
