"""What is published of users: that there is an account, never whose."""

from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta

from adapters.integration_events.kernel import (
    PublicEvent,
    PublicState,
    age,
    keeps_private,
    moment,
    publishes,
    publishes_state,
)
from domain.identity.user import User
from domain.kernel import ERASED

UserId = Annotated[UUID, Meta(description="The user: a pseudonym, which says nothing about the person.")]


class UserEvent(PublicEvent, frozen=True, kw_only=True):
    """What happened to an account."""

    user_id: UserId


class UserRegistered(UserEvent, frozen=True, kw_only=True):
    """Somebody opened an account."""

    NAME = "user.registered"


class UserEmailVerified(UserEvent, frozen=True, kw_only=True):
    """A user showed that they read mail to their address."""

    NAME = "user.email_verified"


class UserProfileChanged(UserEvent, frozen=True, kw_only=True):
    """A user changed their name or picture."""

    NAME = "user.profile_changed"


class UserDeactivated(UserEvent, frozen=True, kw_only=True):
    """An account was closed, for good."""

    NAME = "user.deactivated"


class UserState(PublicState, frozen=True, kw_only=True):
    """An open account. There is none once it is closed or erased."""

    NAME = "user.state"
    user_id: UserId
    email_verified: Annotated[bool, Meta(description="Whether the user reads mail to their address.")]


def _about(event: Any) -> dict[str, Any]:
    return {"user_id": event.originator_id, **moment(event)}


@publishes
def registered(event: User.Registered) -> UserRegistered:
    return UserRegistered(**_about(event))


@publishes
def email_verified(event: User.EmailVerified) -> UserEmailVerified:
    return UserEmailVerified(**_about(event))


@publishes
def profile_changed(event: User.ProfileChanged) -> UserProfileChanged:
    return UserProfileChanged(**_about(event))


@publishes
def deactivated(event: User.Deactivated) -> UserDeactivated:
    return UserDeactivated(**_about(event))


@publishes_state
def state(user: User) -> UserState | None:
    if not user.active or user.email == ERASED:
        return None
    return UserState(user_id=user.id, email_verified=user.email_verified, **age(user))


keeps_private(User.PasswordChanged, "When somebody changes their password helps attackers and no analyst.")
