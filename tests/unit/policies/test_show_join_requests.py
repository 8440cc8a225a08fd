"""The policy that shows join requests."""

from uuid import UUID

from application.policies.show_join_requests import show_join_requests
from application.teams.join_request import ShowJoinRequest
from domain.teams.join_request import JoinRequest
from tests.support.given import ID, NOW


def test_each_request_is_shown() -> None:
    values = {"team_id": UUID(int=7), "user_id": UUID(int=2), "asked_for": "crew"}
    event = JoinRequest.Asked(originator_id=ID, originator_version=1, timestamp=NOW, **values)
    assert [*show_join_requests(event)] == [ShowJoinRequest(id=ID)]
