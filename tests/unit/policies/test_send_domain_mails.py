"""The policy of mails to postmasters."""

from typing import Any
from uuid import UUID

from application.policies.send_domain_mails import send_domain_mails
from application.teams.domain_mail_jobs import DomainMail
from domain.teams.team import Team
from tests.support.given import ID, NOW


def test_each_request_causes_a_mail() -> None:
    values: dict[str, Any] = {"originator_id": ID, "originator_version": 3, "timestamp": NOW}
    values |= {"domain_id": UUID(int=1), "link_id": UUID(int=2), "token_digest": "d" * 64, "expires_at": NOW}
    event = Team.DomainMailRequested(**values | {"requested_by": UUID(int=3)})
    assert [*send_domain_mails(event)] == [DomainMail(team_id=ID, version=3)]
