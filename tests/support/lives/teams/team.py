"""The life of a team."""

from domain.teams.erasure import erase_team
from domain.teams.team import Team
from tests.support.given import ID, NOW, address_of, person
from tests.support.lives.kernel import ADA, BOB, EVE, LATER, life


@life
def team() -> Team:
    """Founded, joined, managed, handed over, dissolved and erased."""
    team = Team.found(id=ID, name="Crew", slug="crew", owner_id=ADA.user_id, now=NOW)
    team.rename("Band", by=ADA, now=LATER)
    for somebody, email in ((BOB, "bob@example.org"), (EVE, "eve@example.org")):
        team.invite(address_id=address_of(somebody), email=email, role="member", by=ADA, now=LATER)
        team.accept(by=somebody, now=LATER)
    team.change_role(user_id=EVE.user_id, role="admin", by=ADA, now=LATER)
    for number in (4, 5, 6):
        team.invite(
            address_id=address_of(person(number)), email=f"{number}@example.org", role="member", by=EVE, now=LATER
        )
        if number == 5:
            team.revoke_invitation(address_id=address_of(person(5)), by=EVE, now=LATER)
        if number == 4:
            team.decline(by=person(4), now=LATER)
    team.remove(user_id=BOB.user_id, by=EVE, now=LATER)
    team.transfer_ownership(user_id=EVE.user_id, by=ADA, now=LATER)
    team.leave(by=ADA, now=LATER)
    team.dissolve(by=EVE, now=LATER)
    erase_team(team, now=LATER)
    return team
