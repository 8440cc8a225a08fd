"""Domains of teams: named, proved in both ways, missed, lost and removed."""

from application.ports import Actor
from domain.kernel import Root
from domain.teams.domain_mails import prove_by_mail, request_mail
from domain.teams.domains import DOMAIN_LOST_AFTER, add_domain, note_domain, prove_domain, remove_domain
from domain.teams.team import Team
from tests.support.history.kernel import History, changes


@changes(Team, weight=1)
def change(history: History) -> list[Root]:
    team = history.any(Team)
    owner_id = next(user_id for user_id, role in team.members.items() if role == "owner")
    owner, choice = Actor(owner_id, owner_id), history.random.randrange(5)
    known = min(team.domains, default=None)
    if known is None:
        # Each team has a name of its own: a domain belongs to one team at a time.
        name = f"team-{team.id.hex}.example"
        add_domain(team, domain_id=history.id(), name=name, is_public_provider=False, by=owner, now=history.now)
    elif choice == 0:
        remove_domain(team, known, by=owner, now=history.now)
    elif choice == 1:
        note_domain(team, known, found=False, now=history.now)
        note_domain(team, known, found=history.random.random() < 0.5, now=history.now + DOMAIN_LOST_AFTER)
    elif choice == 2:
        request_mail(team, known, link_id=known, token_digest="d" * 64, by=owner, now=history.now)
        prove_by_mail(team, token_digest="d" * 64, now=history.now)
    else:
        prove_domain(team, known, found=True, by=owner, now=history.now)
    return [team]
