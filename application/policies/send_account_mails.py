"""Policy: mails about accounts, so that people can prove their address and notice what others do with it."""

from collections.abc import Iterable

from application.identity.account_jobs import AccountMail, MailTemplate
from application.policy import Reaction, policy
from domain.identity.user import User
from domain.kernel import Root

TEMPLATES: dict[type[Root.Event], tuple[MailTemplate, ...]] = {
    User.VerificationRequested: ("verify",),
    User.PasswordResetRequested: ("reset",),
    User.RegistrationRepeated: ("address_taken",),
    User.PasswordChanged: ("password_changed",),
    User.TokenReused: ("token_reused",),
    User.EmailChangeRequested: ("confirm_new_email", "confirm_old_email"),
    User.EmailChanged: ("email_changed", "email_in_use"),
    User.DeletionRequested: ("deletion_requested",),
    User.DeletionReminded: ("deletion_soon",),
    User.DeletionWithdrawn: ("deletion_withdrawn",),
}


@policy()
def send_account_mails(
    event: User.VerificationRequested
    | User.PasswordResetRequested
    | User.RegistrationRepeated
    | User.PasswordChanged
    | User.TokenReused
    | User.EmailChangeRequested
    | User.EmailChanged
    | User.DeletionRequested
    | User.DeletionReminded
    | User.DeletionWithdrawn,
) -> Iterable[Reaction]:
    for template in TEMPLATES[type(event)]:
        yield AccountMail(
            template=template,
            user_id=event.originator_id,
            version=event.originator_version,
            link_id=getattr(event, "link_id", None),
        )
