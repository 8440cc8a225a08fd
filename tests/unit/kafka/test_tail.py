"""Lines about records: every record is shown, and none can control the terminal."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from infra.kafka.client.ordered_reader import TopicRecord
from infra.kafka.tools.tail import as_json, as_words

EVENT = [("ce_type", b"made.v1"), ("ce_sequence", b"7")]


def record(value: bytes | None, headers: list[tuple[str, Any]], key: bytes | None = b"key") -> TopicRecord:
    return cast(
        TopicRecord,
        SimpleNamespace(topic="t", partition=0, offset=3, timestamp=0, key=key, value=value, headers=headers),
    )


@pytest.mark.parametrize("headers", [[], [("ce_sequence", b"7")]])
def test_a_tombstone_is_called_one(headers: list[tuple[str, Any]]) -> None:
    given = record(None, headers)
    assert as_words(given)[1] == "tombstone"
    assert '"type": "tombstone"' in as_json(given)


@pytest.mark.parametrize("headers", [[], [("ce_source", b"elsewhere")], [("ce_type", None), ("ce_id", b"1")]])
def test_a_record_without_a_type_is_called_foreign(headers: list[tuple[str, Any]]) -> None:
    given = record(b"junk", headers)
    assert as_words(given)[1] == "foreign"
    assert '"type": "foreign"' in as_json(given)


@pytest.mark.parametrize("evil", ["\x1b[2J", "\x07", "\r", "\n", "\x7f", "\x9b2J", "\u202e", "\u2028"])
def test_control_characters_are_shown_escaped(evil: str) -> None:
    raw = evil.encode()
    for given in (
        record(b"junk" + raw, EVENT),
        record(b"{}", [("ce_type", raw), ("ce_sequence", raw), ("ce_subject", raw), ("ce_streamversion", raw)]),
        record(b'{"title": "%s"}' % repr(evil)[1:-1].replace("\\x", "\\u00").encode(), EVENT),
        record(b"junk", [], key=raw),
    ):
        assert evil not in "".join(as_words(given))
