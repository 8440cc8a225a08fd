"""The policy that ends sessions."""

from typing import cast

import pytest

from application.identity.session_jobs import EndSessions
from application.policies.end_sessions import end_sessions
from application.policy import POLICIES
from domain.identity.user import User
from domain.kernel import Root, events_of
from tests.support.lives import LIVES

EVENTS = [
    cast(Root.Event, event)
    for life in LIVES
    if isinstance(life, User)
    for event in life.pending_events
    if cast(Root.Event, event).ends_sessions
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_ends_the_sessions_that_began_before_it(event: Root.Event) -> None:
    kept = getattr(event, "kept_session_id", None)
    assert [*end_sessions(event)] == [  # type: ignore[arg-type]
        EndSessions(user_id=event.originator_id, version=event.originator_version, kept_session_id=kept)
    ]


def test_the_policy_wants_all_events_that_end_sessions() -> None:
    ending = {event for event in events_of(User) if event.ends_sessions}
    assert POLICIES[end_sessions.__name__].events == ending == {type(event) for event in EVENTS}
