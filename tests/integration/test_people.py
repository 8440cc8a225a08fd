"""Thirty people at random, against a plain model: each is shown what their role allows, and may do no more.

After each step, commands, reads, lists and the stream of events are compared with the model, for the people whose role
has changed and for some others.
"""

from collections import Counter

from hypothesis import HealthCheck, settings
from hypothesis.stateful import initialize, run_state_machine_as_test

from infra.local.servers.redis import EmbeddedRedis
from tests.support.api import running_api
from tests.support.memory_records import MemoryRecords
from tests.support.people.account_rules import AccountRules
from tests.support.people.bulk_rules import ACTIONS, BulkRules
from tests.support.people.document_rules import DocumentRules
from tests.support.people.joining_rules import JoiningRules
from tests.support.people.machine import REFUSED
from tests.support.people.service import Clock, Service
from tests.support.people.sharing_rules import SharingRules
from tests.support.people.team_rules import TeamRules
from tests.support.servers import Cluster
from tests.support.use_cases import PlainPasswords


class People(AccountRules, BulkRules, DocumentRules, JoiningRules, SharingRules, TeamRules):
    """All that people do."""

    @initialize()
    def begin(self) -> None:
        """Let some people write documents and found teams, for others to join."""
        for person in range(6):
            self.create(8 * person)
        for team in range(3):
            self.found(8 * team)
            for person in range(3, 9):
                self.invite(8 * team, 8 * team, 8 * person, person)
                self.accept_invitation(8 * team, 8 * person)
            self.change_settings(8 * team, 8 * team, 8 * team + 1, team + 1)
            self.add_domain(8 * team, 8 * team, team)
            self.prove_domain(8 * team, 8 * team, 0, 1)
            self.remove(8 * team, 8 * team, 8 * (team + 6))
        self.change_seats(0, 0)
        for person in (0, 4, 5):
            self.make_folder(0, 8 * person, 1)
            self.lend(8 * person, 8 * person, 0, person)
            self.share(8 * person, 8 * person, 8 * (person + 6), person)
            self.read(8 * person, 8 * (person + 6))


REACHED = {
    *((name, "done") for name in ("AcceptJoinRequest", "DeclineJoinRequest", "WithdrawJoinRequest", "RemoveDomain")),
    *(("ProveDomain", code) for code in ("done", "domain_not_proved", "taken")),
    *(("ProveDomainByMail", code) for code in ("done", "domain_link_not_valid")),
    *(("ShowJoinRequest", outcome) for outcome in ("shown", "accepted", "open")),
    *(("InviteMembers", code) for code in ("invited", "already_a_member", "invited_recently", "team_is_full")),
    *((f"ChangeDocuments: {action}", "done") for action in ACTIONS),
}
"""What the machine must have come to, beside most commands."""

AT_RANDOM = settings(
    max_examples=8,
    stateful_step_count=150,
    derandomize=True,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def test_each_person_sees_and_does_what_their_role_allows(cluster: Cluster, redis_server: EmbeddedRedis) -> None:
    clock, records, outcomes = Clock(), MemoryRecords(), Counter[tuple[str, str]]()
    ports = {"clock": clock, "passwords": PlainPasswords(), "records": records}
    with (
        cluster.database() as database,
        running_api(database.admin_url, redis_server.url, ports=ports) as api,
    ):

        def people() -> People:
            return People(Service(api, clock, records), outcomes)

        run_state_machine_as_test(people, settings=AT_RANDOM)  # type: ignore[arg-type]
    sent, done = {name for name, _ in outcomes}, {name for name, code in outcomes if code == "done"}
    assert len(done) > 0.8 * len(sent), sent - done
    assert {code for _, code in outcomes}.issuperset(REFUSED)
    assert outcomes.keys() >= REACHED, REACHED - outcomes.keys()
