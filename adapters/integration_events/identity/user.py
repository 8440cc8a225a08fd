"""Integration events and state of users: that an account exists, never whose it is."""

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
