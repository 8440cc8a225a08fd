"""Policy: mails that are kept end with the erasure of whom they are to, or of the team that they are about."""

from collections.abc import Iterable

from application.policy import Reaction, policy
from application.privacy.forget_mails import ForgetMails
from domain.identity.user import User
from domain.privacy.address import Address
from domain.teams.team import Team


@policy()
def forget_mails(event: User.Erased | Team.Erased | Address.Erased | Address.ErasedAgain) -> Iterable[Reaction]:
    yield ForgetMails(subject_id=event.originator_id)
