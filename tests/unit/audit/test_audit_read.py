"""What an audit read holds, and its bounds."""

from typing import Any
from uuid import UUID

import pytest

from domain.audit.audit_read import MAX_FILTER_LENGTH, MAX_FILTERS, MAX_SUBJECTS, AuditRead, TooWideRead
from domain.kernel import Party
from tests.support.given import ID, NOW, fact, new_events

ADA, BOB, CREW = UUID(int=1), UUID(int=2), UUID(int=3)


def read(**changes: Any) -> AuditRead:
    values: dict[str, Any] = {
        "id": ID,
        "auditor_id": ADA,
        "operation": "audit_user_history",
        "topic": "user",
        "aggregate_id": BOB,
        "filters": {},
        "user_ids": [BOB],
        "team_ids": [CREW],
        "now": NOW,
    }
    return AuditRead.record(**{**values, **changes})


def test_a_read_names_each_subject_once_and_belongs_to_the_auditor() -> None:
    made = read(user_ids=[BOB, ADA, BOB], filters={"since": "2026-11-22T12:00:00Z"})
    assert made.tenant == Party("user", ADA)
    assert new_events(made) == [
        fact(
            AuditRead.HistoryRead,
            auditor_id=ADA,
            operation="audit_user_history",
            topic="user",
            aggregate_id=BOB,
            filters={"since": "2026-11-22T12:00:00Z"},
            user_ids=[str(ADA), str(BOB)],
            team_ids=[str(CREW)],
        )
    ]


@pytest.mark.parametrize(
    "wide",
    [
        {"filters": {f"filter {n}": "" for n in range(MAX_FILTERS + 1)}},
        {"filters": {"type": "x" * (MAX_FILTER_LENGTH + 1)}},
        {"user_ids": [UUID(int=n) for n in range(MAX_SUBJECTS)]},
    ],
)
def test_a_read_has_bounds(wide: dict[str, Any]) -> None:
    with pytest.raises(TooWideRead):
        read(**wide)
