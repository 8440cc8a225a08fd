"""The policy of mails about lost domains."""

from typing import Any
from uuid import UUID

from application.policies.tell_of_lost_domains import tell_of_lost_domains
from application.request_notices import TellTeam
from domain.teams.team import Team
from tests.support.given import ID, NOW


def test_the_admins_are_told_of_each_lost_domain() -> None:
    values: dict[str, Any] = {"originator_id": ID, "originator_version": 3, "timestamp": NOW}
    event = Team.DomainLost(**values | {"domain_id": UUID(int=1), "name": "example.org"})
    assert [*tell_of_lost_domains(event)] == [TellTeam(template="domain_lost", team_id=ID, due=NOW)]
