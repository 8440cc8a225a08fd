"""The life of a team."""

from datetime import timedelta
from uuid import UUID

from domain.teams import dissolution, invitations, ownership
from domain.teams.budget_limits import limit_budget
from domain.teams.dissolution import DISSOLUTION_GRACE
from domain.teams.domain_mails import prove_by_mail, request_mail
from domain.teams.domains import add_domain, note_domain, prove_domain
from domain.teams.erasure import erase_team
from domain.teams.invitation_times import INVITATION_LIFETIME
from domain.teams.joining import add_member
from domain.teams.seats import follow_plan
from domain.teams.settings import change_settings
from domain.teams.team import Team
from tests.support.given import ID, NOW, address_of, person
from tests.support.lives.kernel import ADA, BOB, EVE, LATER, life

DOMAIN = UUID(int=0xD0)


@life
def team() -> Team:
    """Founded, joined, managed, handed over, dissolved and erased."""
    team = Team.found(id=ID, name="Crew", slug="crew", owner_id=ADA.user_id, now=NOW)
    add_domain(team, domain_id=DOMAIN, name="example.org", is_public_provider=False, by=ADA, now=LATER)
    prove_domain(team, DOMAIN, found=True, by=ADA, now=LATER)
    for found, days in ((False, 0), (True, 1), (False, 2), (False, 9)):
        note_domain(team, DOMAIN, found=found, now=LATER + timedelta(days=days))
    request_mail(team, DOMAIN, link_id=person(8).user_id, token_digest="d" * 64, by=ADA, now=LATER)
    prove_by_mail(team, token_digest="d" * 64, now=LATER)
    change_settings(team, join="by_request", by=ADA, now=LATER)
    add_member(team, user_id=person(7).user_id, address_id=address_of(person(7)), role="viewer", now=LATER)
    team.remove(user_id=person(7).user_id, by=ADA, now=LATER)
    follow_plan(team, "pro", now=LATER)
    limit_budget(team, tokens=1_000, micros=None, by=ADA, now=LATER)
    team.rename("Band", by=ADA, now=LATER)
    team.change_slug("band", by=ADA, now=LATER)
    for somebody, email in ((BOB, "bob@example.org"), (EVE, "eve@example.org")):
        invitations.invite(team, address_id=address_of(somebody), email=email, role="editor", by=ADA, now=LATER)
        invitations.accept(team, by=somebody, now=LATER)
    team.change_role(user_id=EVE.user_id, role="admin", by=ADA, now=LATER)
    for number in (4, 5, 6):
        invitations.invite(
            team, address_id=address_of(person(number)), email=f"{number}@example.org", role="editor", by=EVE, now=LATER
        )
        if number == 5:
            invitations.revoke(team, address_id=address_of(person(5)), by=EVE, now=LATER)
        if number == 4:
            invitations.decline(team, by=person(4), now=LATER)
    invitations.expire(team, now=LATER + INVITATION_LIFETIME)
    team.remove(user_id=BOB.user_id, by=EVE, now=LATER)
    ownership.offer(team, user_id=EVE.user_id, by=ADA, now=LATER)
    ownership.decline(team, by=EVE, now=LATER)
    ownership.offer(team, user_id=EVE.user_id, by=ADA, now=LATER)
    ownership.withdraw(team, by=ADA, now=LATER)
    ownership.offer(team, user_id=EVE.user_id, by=ADA, now=LATER)
    ownership.accept(team, by=EVE, now=LATER)
    team.leave(by=ADA, now=LATER)
    dissolution.request(team, by=EVE, now=LATER)
    dissolution.withdraw(team, by=EVE, now=LATER)
    dissolution.request(team, by=EVE, now=LATER)
    dissolution.carry_out(team, now=LATER + DISSOLUTION_GRACE)
    erase_team(team, now=LATER)
    return team
