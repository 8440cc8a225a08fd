"""The AsyncAPI 3 document is valid for the official parser, and describes the records that are published."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from adapters.integration_events.asyncapi import Broker, describe
from adapters.integration_events.catalogue import catalogue
from adapters.integration_events.contract import aggregates, published
from adapters.integration_events.kernel import PublicEvent, PublicState
from tests.support.asyncapi import Parser, require_node

DOCUMENT = describe(Broker(prefix="acme", partitions=12, replication=3))
NEWER = "asyncapi-latest-version"
"""Tools read 3.0, so the hint that 3.1 exists is ignored."""


def test_the_official_parser_finds_no_fault(parser: Parser) -> None:
    result = parser(DOCUMENT)
    assert result["valid"]
    assert [fault for fault in result["found"] if fault["code"] != NEWER] == []
    assert result["messages"] == list(published())


def break_reference(document: dict[str, Any]) -> None:
    document["channels"]["userEvents"]["messages"]["palimpsest.user.registered.v1"]["$ref"] = "#/nowhere"


def break_action(document: dict[str, Any]) -> None:
    document["operations"]["sendUserEvents"]["action"] = "shout"


def break_schema(document: dict[str, Any]) -> None:
    document["components"]["schemas"]["palimpsest.user.registered.v1"]["type"] = "thing"


@pytest.mark.parametrize("plant", [break_reference, break_action, break_schema])
def test_the_official_parser_finds_a_planted_fault(parser: Parser, plant: Any) -> None:
    document = json.loads(json.dumps(DOCUMENT))
    plant(document)
    result = parser(document)
    assert [fault for fault in result["found"] if fault["code"] != NEWER]


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


def test_without_node_the_check_fails_and_says_so() -> None:
    with pytest.raises(pytest.fail.Exception, match="needs Node 20 or later and npm: install both"):
        require_node(None, None)


def test_an_old_node_fails_the_check(tmp_path: Path) -> None:
    old = tmp_path / "node"
    old.write_text("#!/bin/sh\necho v18.19.0\n")
    old.chmod(0o755)
    with pytest.raises(pytest.fail.Exception, match=r"is v18\.19\.0: install a later one"):
        require_node(str(old), str(old))
