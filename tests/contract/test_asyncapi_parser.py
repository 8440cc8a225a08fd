"""The AsyncAPI 3 document is valid for the official parser, which needs Node."""

import json
from pathlib import Path
from typing import Any

import pytest

from adapters.integration_events.asyncapi import Broker, describe
from adapters.integration_events.contract import published
from tests.support.asyncapi import Parser
from tests.support.node import require_node

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


def test_without_node_the_check_fails_and_says_so() -> None:
    with pytest.raises(pytest.fail.Exception, match="needs Node 20 or later and npm: install both"):
        require_node(None, None)


def test_an_old_node_fails_the_check(tmp_path: Path) -> None:
    old = tmp_path / "node"
    old.write_text("#!/bin/sh\necho v18.19.0\n")
    old.chmod(0o755)
    with pytest.raises(pytest.fail.Exception, match=r"is v18\.19\.0: install a later one"):
        require_node(str(old), str(old))
