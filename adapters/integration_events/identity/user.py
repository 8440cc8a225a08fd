"""Integration events and state of users: that an account exists, never whose it is."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from msgspec import Meta

from adapters.integration_events.kernel import PublicEvent, PublicState, keep_private
from adapters.integration_events.mapping import From
from domain.identity.user import User

UserId = Annotated[UUID, Meta(description="Id of the user. A pseudonym: it contains nothing about the person.")]


class UserEvent(PublicEvent):
    """Base of the events of an account."""

    user_id: Annotated[UserId, From("originator_id")]


class UserRegistered(UserEvent, of=User.Registered):
    """An account was created."""

    NAME = "user.registered"


class UserEmailVerified(UserEvent, of=User.EmailVerified):
    """A user verified their email address."""

    NAME = "user.email_verified"


class UserProfileChanged(UserEvent, of=User.ProfileChanged):
    """A user changed their name or picture."""

    NAME = "user.profile_changed"


class UserTermsAccepted(UserEvent, of=User.TermsAccepted):
    """A user accepted a version of the terms of use."""

    NAME = "user.terms_accepted"
    terms_version: Annotated[str, Meta(description="The version of the terms.")]


class UserDeletionRequested(UserEvent, of=User.DeletionRequested):
    """A user asked for the deletion of their account. It is hidden until then, and may be withdrawn."""

    NAME = "user.deletion_requested"
    due: Annotated[datetime, Meta(description="When the account is erased, unless the user withdraws it.")]


class UserDeletionWithdrawn(UserEvent, of=User.DeletionWithdrawn):
    """A user keeps their account after all."""

    NAME = "user.deletion_withdrawn"


class UserDeactivated(UserEvent, of=User.Deactivated):
    """An account was closed permanently."""

    NAME = "user.deactivated"


class UserErased(UserEvent, of=User.Erased):
    """An account was erased."""

    NAME = "user.erased"


class UserState(PublicState, of=User):
    """An open account. A closed or erased account has no state."""

    NAME = "user.state"
    user_id: Annotated[UserId, From("id")]
    email_verified: Annotated[bool, Meta(description="Whether the user has verified their email address.")]

    @staticmethod
    def is_gone(user: User) -> bool:
        """Whether the account is closed or erased."""
        return not user.active


keep_private(User.PasswordChanged, "The time of a password change helps attackers, and no analysis needs it.")
keep_private(User.VerificationRequested, "Digests of tokens belong nowhere else, and mails are no event of an account.")
keep_private(
    User.PasswordResetRequested, "Digests of tokens belong nowhere else; a forgotten password helps attackers."
)
keep_private(User.RegistrationRepeated, "A stranger has caused it: it says nothing about the user.")
keep_private(User.PasswordRehashed, "Nothing has changed but the form in which the password is kept.")
keep_private(User.LockdownLinkIssued, "Digests of tokens belong nowhere else.")
keep_private(User.LockedDown, "That an account was misused helps attackers, and no analysis needs it.")
keep_private(User.DeletionReminded, "A mail is no event of an account.")
for change in (
    User.EmailChangeRequested,
    User.EmailChangeConfirmed,
    User.EmailChanged,
    User.EmailChangeUndone,
    User.FormerEmailReleased,
):
    keep_private(change, "The time of a change of address helps attackers, and no analysis needs it.")
keep_private(User.SessionsEnded, "When somebody logs out is a matter of their own, and no analysis needs it.")
keep_private(User.TokenReused, "It would tell attackers that they were noticed.")
for appointment in (User.AuditorAppointed, User.AuditorDismissed):
    keep_private(appointment, "Who may read the history of all helps attackers, and no analysis needs it.")
