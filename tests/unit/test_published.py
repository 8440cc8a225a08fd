"""Public records: every event is published or private for a reason, fits its schema, and has no personal data."""

from typing import Any, get_type_hints
from uuid import UUID

import jsonschema_rs
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.integration_events import kernel
from adapters.integration_events.asyncapi import headers_of
from adapters.integration_events.cloudevents import CloudEvents, PublicRecord, UnreadableEvent
from adapters.integration_events.contract import published, schema_of
from application.ports import RecordedEvent, Undecodable
from domain.content import delta
from domain.content.document import Document
from domain.identity.user import User
from domain.kernel import PersonalField, Root
from domain.teams.team import Team
from infra.bootstrap.write_side import load_use_cases
from tests.support.events import CANARY, CANARY_ID, EVENT_CLASSES, ROOTS, canary, event_classes, events
from tests.support.given import ID, NOW, Fact, fact
from tests.support.given import given as having
from tests.support.lives import LIVES
from tests.support.saves import created, erased, saved

CLOUD_EVENTS = CloudEvents("https://api.test/")
ACTOR, EVENT_ID, CORRELATION, CAUSATION = (UUID(int=n) for n in (0xAC, 0xE1, 0xC0, 0xCA))
PUBLISHED = saved(2, status="published")
SCHEMAS = {type: schema_of(kind) for type, kind in published().items()}


def validator(schema: dict[str, Any]) -> Any:
    return jsonschema_rs.validator_for(schema, validate_formats=True)


PAYLOADS = {type: validator(schema) for type, schema in SCHEMAS.items()}
HEADERS = {type: validator(headers_of(kind)) for type, kind in published().items()}


def recorded(event: Root.Event, *, position: int = 7, actor_id: UUID | None = ACTOR) -> RecordedEvent:
    topic: str = event.TOPIC  # type: ignore[attr-defined]
    return RecordedEvent(position, event.originator_id, event.originator_version, topic, NOW, actor_id, event)


def of(fact: Fact) -> PublicRecord:
    """The record of an event that is published."""
    found = record(fact.kind(originator_id=ID, originator_version=3, timestamp=NOW, **fact.fields))
    assert found is not None
    return found


def record(event: Root.Event) -> PublicRecord | None:
    return CLOUD_EVENTS.public_record(recorded(event), EVENT_ID, CORRELATION, CAUSATION)


def check(record: PublicRecord) -> dict[str, Any]:
    """Check a record against its schema. Returns its value."""
    headers = {name: value.decode() for name, value in record.headers}
    value: dict[str, Any] = msgspec.json.decode(record.value)
    HEADERS[headers["ce_type"]].validate(headers)
    PAYLOADS[headers["ce_type"]].validate(value)
    assert headers["ce_type"].split(".")[1] == record.aggregate
    assert headers["ce_subject"].encode() == record.key
    assert value[f"{record.aggregate}_id"] == headers["ce_subject"]
    assert value.keys() == SCHEMAS[headers["ce_type"]]["properties"].keys()
    return value


def test_every_event_is_published_or_kept_private_for_a_reason() -> None:
    load_use_cases()
    roots = [root for root in Root.__subclasses__() if root.__module__.startswith("domain.")]
    found = {kind for root in roots for kind in event_classes(root)}
    assert set(roots) == set(ROOTS)
    assert found == kernel.EVENTS.keys() | kernel.PRIVATE.keys(), "Map it, or say why it is private"
    assert not kernel.EVENTS.keys() & kernel.PRIVATE.keys()
    assert all(len(reason) > 20 for reason in kernel.PRIVATE.values())
    assert kernel.STATES.keys() <= set(roots)


@pytest.mark.parametrize("kind", kernel.EVENTS, ids=lambda kind: kind.TOPIC)
@settings(max_examples=20)
@given(data=st.data())
def test_every_public_event_makes_a_record_that_fits_its_schema(kind: type[Root.Event], data: st.DataObject) -> None:
    found = record(data.draw(events(kind)))
    assert found is not None
    check(found)


@pytest.mark.parametrize("kind", kernel.PRIVATE, ids=lambda kind: kind.TOPIC)
def test_a_private_event_makes_no_record(kind: type[Root.Event]) -> None:
    assert record(canary(kind)) is None


@pytest.mark.parametrize("kind", EVENT_CLASSES, ids=lambda kind: kind.TOPIC)
def test_nothing_personal_is_published_of_an_event(kind: type[Root.Event]) -> None:
    assert_no_canary(record(canary(kind)))


@pytest.mark.parametrize("root", ROOTS, ids=lambda root: root.TOPIC)
def test_nothing_personal_is_published_of_a_state(root: type[Root]) -> None:
    first, *others = event_classes(root)
    aggregate: Any = canary(first).mutate(None)
    assert_no_canary(CLOUD_EVENTS.public_state(aggregate))
    for kind in others:
        canary(kind).apply(aggregate)
        assert_no_canary(CLOUD_EVENTS.public_state(aggregate))


def assert_no_canary(record: PublicRecord | None) -> None:
    """Check that no canary is in a record."""
    text = repr(record).lower()
    for secret in (CANARY, str(CANARY_ID), CANARY_ID.hex, str(CANARY_ID.int)):
        assert secret not in text


def test_there_is_a_canary_in_every_personal_field() -> None:
    fields = {name for kind in EVENT_CLASSES for name, value in vars(canary(kind)).items() if CANARY in str(value)}
    hints = [hint for kind in EVENT_CLASSES for hint in get_type_hints(kind, include_extras=True).items()]
    marks = [(name, mark) for name, hint in hints for mark in getattr(hint, "__metadata__", ())]
    assert fields == {name for name, mark in marks if isinstance(mark, PersonalField)}
    assert fields >= {"email", "name", "password_hash", "avatar_url", "title", "content", "delta", "slug"}
    assert any(vars(canary(kind)).get("address_id") == CANARY_ID for kind in EVENT_CLASSES)


@pytest.mark.parametrize("root", LIVES, ids=lambda root: type(root).__name__)
def test_a_whole_life_is_published_event_by_event_and_state_by_state(root: Root) -> None:
    again: Any = None
    for event in root.pending_events:
        assert isinstance(event, Root.Event)
        again = event.mutate(again)
        found, state = record(event), CLOUD_EVENTS.public_state(again, 7)
        value = None if found is None else check(found)
        assert value is None or value["version"] == event.originator_version
        assert state is None or check(state)["version"] == event.originator_version


def test_a_record_says_what_a_cloud_event_says() -> None:
    assert dict(of(PUBLISHED).headers) == {
        "content-type": b"application/json",
        "ce_specversion": b"1.0",
        "ce_id": str(EVENT_ID).encode(),
        "ce_source": b"urn:palimpsest",
        "ce_type": b"palimpsest.document.saved.v1",
        "ce_subject": str(ID).encode(),
        "ce_time": b"2026-11-22T12:00:00Z",
        "ce_dataschema": b"https://api.test/v1/events/schemas/palimpsest.document.saved.v1",
        "ce_sequence": b"7",
        "ce_streamversion": b"3",
        "ce_actorid": str(ACTOR).encode(),
        "ce_correlationid": str(CORRELATION).encode(),
        "ce_causationid": str(CAUSATION).encode(),
    }


def test_the_record_of_a_state_says_what_it_is_a_state_of_and_up_to_where() -> None:
    """Survived a mutation: the position of a state, and the form of its subject."""
    document = having(Document, created("Notes", "Otters.", ID), PUBLISHED)
    found = CLOUD_EVENTS.public_state(document, 7)
    assert found is not None
    headers = {
        "content-type": b"application/json",
        "ce_specversion": b"1.0",
        "ce_id": f"{ID}:2".encode(),
        "ce_source": b"urn:palimpsest",
        "ce_type": b"palimpsest.document.state.v1",
        "ce_subject": str(ID).encode(),
        "ce_time": b"2026-11-22T12:00:00Z",
        "ce_dataschema": b"https://api.test/v1/events/schemas/palimpsest.document.state.v1",
        "ce_sequence": b"7",
        "ce_streamversion": b"2",
    }
    assert (found.key, dict(found.headers)) == (str(ID).encode(), headers)
    unplaced = CLOUD_EVENTS.public_state(document)
    assert unplaced is not None
    del headers["ce_sequence"]
    assert dict(unplaced.headers) == headers


@pytest.mark.parametrize("kind", published().values(), ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(
    ("name", "wrong"),
    [("ce_subject", ID.hex), ("ce_subject", "x"), ("ce_sequence", "-1"), ("ce_sequence", "x"), ("ce_time", "noon")],
)
def test_the_schema_of_headers_refuses_other_forms(kind: type[kernel.IntegrationType], name: str, wrong: str) -> None:
    headers = {"content-type": "application/json", "ce_specversion": "1.0", "ce_id": "1", "ce_source": "urn:palimpsest"}
    headers |= {"ce_subject": str(ID), "ce_time": "2026-11-22T12:00:00Z", "ce_dataschema": "https://api.test/x"}
    headers |= {"ce_type": kind.type(), "ce_sequence": "7", "ce_streamversion": "3"}
    HEADERS[kind.type()].validate(headers)
    assert not HEADERS[kind.type()].is_valid({**headers, name: wrong})


def test_only_managers_hear_of_shares_and_invitations() -> None:
    """Survived a mutation: that a declined invitation is for managers only."""
    assert {type.split(".", 1)[1] for type, kind in published().items() if kind.FOR_MANAGERS} == {
        "document.shared.v1",
        "document.share_changed.v1",
        "document.share_revoked.v1",
        "document.ownership_offered.v1",
        "document.ownership_offered_to_team.v1",
        "document.shared_with_team.v1",
        "document.team_share_changed.v1",
        "document.team_share_revoked.v1",
        "document.ownership_offer_declined.v1",
        "document.ownership_offer_withdrawn.v1",
        "team.member_invited.v1",
        "team.invitation_declined.v1",
        "team.invitation_expired.v1",
        "team.invitation_revoked.v1",
        "team.settings_changed.v1",
    }


def test_unknown_ids_are_left_out_of_the_headers() -> None:
    found = CLOUD_EVENTS.public_record(recorded(canary(User.EmailVerified), actor_id=None), EVENT_ID)
    assert found is not None
    assert {name for name, _ in found.headers} & {"ce_actorid", "ce_correlationid", "ce_causationid"} == set()


def test_a_second_version_changes_no_record_of_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kernel, "EVENTS", {kind: {**versions} for kind, versions in kernel.EVENTS.items()})

    class Later(kernel.PublicEvent, of=Document.Saved):
        NAME, VERSION = "document.saved", 2

    assert kernel.EVENTS[Document.Saved].keys() == {1, 2}
    found = CloudEvents().public_record(recorded(canary(Document.Saved)), EVENT_ID)
    assert found is not None
    assert dict(found.headers)["ce_type"] == b"palimpsest.document.saved.v1"


def test_an_event_that_cannot_be_read_is_not_published() -> None:
    with pytest.raises(UnreadableEvent, match="position 9"):
        CLOUD_EVENTS.public_record(
            RecordedEvent(9, ID, 1, "user.registered", NOW, None, Undecodable("KeyError")), EVENT_ID
        )


def test_a_save_is_published_with_its_lengths_and_its_status() -> None:
    steps: delta.Delta = [3, -2, "four", 1, "!"]
    value = check(of(saved(4, title="Notes", steps=steps, content_length=9, status="archived", restored_revision=2)))
    del value["document_id"], value["occurred_at"]
    assert value == {
        "version": 3,
        "revision": 4,
        "title_length": 5,
        "content_length": 9,
        "characters_inserted": 5,
        "characters_deleted": 2,
        "status": "archived",
        "restored_revision": 2,
    }


@pytest.mark.parametrize(
    "happened",
    [created("Notes", "Otters.", ID), saved(2, title="Notes", steps=["Otters."], content_length=7), PUBLISHED],
    ids=["created", "saved", "published"],
)
def test_an_erased_event_is_published_as_before(happened: Fact) -> None:
    assert of(erased(happened)) == of(happened)


def test_an_aggregate_that_is_gone_has_no_state() -> None:
    registered = fact(User.Registered, email="ada@example.org", name="Ada", password_hash="hash")
    founded = fact(Team.Founded, name="Crew", slug="crew", owner_id=ID, seats=5)
    assert CLOUD_EVENTS.public_state(having(User, registered)) is not None
    for gone in (
        having(User, registered, fact(User.Deactivated)),
        having(User, registered, fact(User.Erased)),
        having(Document, created("Notes", "Otters.", ID), fact(Document.Erased)),
        having(Team, founded, fact(Team.Dissolved, slug="crew")),
        having(Team, founded, fact(Team.Erased)),
    ):
        assert CLOUD_EVENTS.public_state(gone) is None


def test_a_trashed_document_has_a_state_because_it_may_be_restored() -> None:
    state = CLOUD_EVENTS.public_state(having(Document, created("Notes", "Otters.", ID), fact(Document.Trashed)))
    assert state is not None
    assert check(state)["trashed"] is True
