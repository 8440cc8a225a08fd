"""Users: people with an account.

An email address belongs to one account, even after the account is closed, until the account is erased.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from domain.kernel import Claim, FirstEvent, Forbidden, Invalid, Party, Personal, Root
from domain.text import email_address, email_key, single_line

NAME_LENGTH = 200
AVATAR_URL_LENGTH = 2_048

_AVATAR_URL = re.compile(r"https://[^\s/?#]+\S*")


class UserIsDeactivated(Forbidden):
    """The account was closed."""


class UnusableAvatar(Invalid):
    """A text is not the address of a picture."""


class User(Root):
    """A person with an account."""

    TOPIC = "user"

    class Registered(FirstEvent):
        TOPIC = "user.registered"
        email: Personal[str]
        name: Personal[str]
        password_hash: Personal[str]

        def claims(self) -> Iterable[Claim]:
            return [email_claim(self.email)]

        def apply(self, aggregate: "User") -> None:
            aggregate.email = self.email
            aggregate.email_verified = False
            aggregate.name = self.name
            aggregate.avatar_url = None
            aggregate.password_hash = self.password_hash
            aggregate.deactivated_at = None

    class EmailVerified(Root.Event):
        TOPIC = "user.email_verified"

        def apply(self, aggregate: "User") -> None:
            aggregate.email_verified = True

    class ProfileChanged(Root.Event):
        TOPIC = "user.profile_changed"
        name: Personal[str]
        avatar_url: Personal[str | None] = None

        def apply(self, aggregate: "User") -> None:
            aggregate.name = self.name
            aggregate.avatar_url = self.avatar_url

    class PasswordChanged(Root.Event):
        TOPIC = "user.password_changed"
        password_hash: Personal[str]

        def apply(self, aggregate: "User") -> None:
            aggregate.password_hash = self.password_hash

    class Deactivated(Root.Event):
        TOPIC = "user.deactivated"
        revokes = ("user_profile",)

        def apply(self, aggregate: "User") -> None:
            aggregate.deactivated_at = self.timestamp

    class Erased(Root.Event):
        TOPIC = "user.erased"
        revokes = ("user_profile",)
        erases = True

        def apply(self, aggregate: "User") -> None:
            aggregate.erased = True
            aggregate.deactivated_at = self.timestamp

    email: str
    email_verified: bool
    name: str
    avatar_url: str | None
    password_hash: str
    deactivated_at: datetime | None

    @classmethod
    def register(cls, *, id: UUID, email: str, name: str, password_hash: str, now: datetime) -> "User":
        """Open an account.

        Raises:
            UnusableEmail, UnusableText: the address or the name is not valid (`domain.text`).
        """
        email, name = email_address(email), usable_name(name)
        return cls.start_stream(
            cls.Registered,
            id=id,
            tenant=Party("user", id),
            now=now,
            email=email,
            name=name,
            password_hash=password_hash,
        )

    @property
    def active(self) -> bool:
        """Whether the account is open."""
        return self.deactivated_at is None

    def verify_email(self, *, now: datetime) -> None:
        """Record that the user receives mail at their address.

        Raises:
            UserIsDeactivated: the account was closed.
        """
        self._require_active()
        if not self.email_verified:
            self.trigger_event(self.EmailVerified, now=now)

    def change_profile(self, *, name: str, avatar_url: str | None, now: datetime) -> None:
        """Set the name and the picture (None: no picture).

        Raises:
            UserIsDeactivated: the account was closed.
            UnusableText, UnusableAvatar: the name or the picture's address is not valid.
        """
        self._require_active()
        name = usable_name(name)
        avatar_url = None if avatar_url is None else usable_avatar_url(avatar_url)
        if (name, avatar_url) != (self.name, self.avatar_url):
            self.trigger_event(self.ProfileChanged, now=now, name=name, avatar_url=avatar_url)

    def change_password(self, *, password_hash: str, now: datetime) -> None:
        """Set the password.

        Raises:
            UserIsDeactivated: the account was closed.
        """
        self._require_active()
        if password_hash != self.password_hash:
            self.trigger_event(self.PasswordChanged, now=now, password_hash=password_hash)

    def deactivate(self, *, now: datetime) -> None:
        """Close the account."""
        if self.active:
            self.trigger_event(self.Deactivated, now=now)

    def erase(self, *, now: datetime) -> None:
        """Close the account and erase all that is known of its user. A second erasure causes no event."""
        if not self.erased:
            self.trigger_event(self.Erased, now=now)

    def _require_active(self) -> None:
        if not self.active:
            raise UserIsDeactivated("This account is closed; register again with another address.")


def email_claim(email: str) -> Claim:
    """Return the claim to an email address in its normal form."""
    return Claim("email", email_key(email))


def usable_name(name: str) -> str:
    """Return the name in the form to store.

    Raises:
        UnusableText: see `domain.text.single_line`.
    """
    return single_line(name, "A name", NAME_LENGTH)


def usable_avatar_url(url: str) -> str:
    """Return the address of a picture, which browsers will load.

    Raises:
        UnusableAvatar: it is not an `https` address with a host.
        UnusableText: see `domain.text.single_line`.
    """
    url = single_line(url, "The address of an avatar", AVATAR_URL_LENGTH)
    if not _AVATAR_URL.fullmatch(url):
        raise UnusableAvatar("The address of an avatar begins with https:// and names a host.")
    return url
