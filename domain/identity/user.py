"""Users: people with an account.

An email address belongs to one account, even after the account is closed, until the account is erased. Links that are
sent by mail verify the address and set a new password (`decisions/0005-links-prove-addresses.md`). Others change the
address or lock the account: rules are in `email_change.py` and `suspension.py`, events in `events.py`
(`decisions/0006-address-changes-and-deletions.md`).
"""

import hmac
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from domain.identity import events
from domain.identity.claims import email_claim
from domain.identity.links import (
    RESET_LIFETIME,
    VERIFICATION_LIFETIME,
    Link,
    LinkKind,
    RequestedKind,
    link_not_valid,
    may_be_issued,
)
from domain.identity.profile import usable_avatar_url, usable_name
from domain.identity.refusals import AccountIsSuspended, UserIsDeactivated
from domain.identity.terms import terms_version
from domain.kernel import Claim, FirstEvent, Party, Personal, Root
from domain.text import email_address

REPEAT_INTERVAL = timedelta(days=1)
"""The shortest time between two notes that somebody registers with the address of a verified account."""


class User(Root):
    """A person with an account."""

    TOPIC = "user"
    snapshot_version = 5

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
            aggregate.links = {}
            aggregate.links_requested_at = {}
            aggregate.registration_repeated_at = None
            aggregate.new_email = None
            aggregate.former_email = None
            aggregate.terms_version = None
            aggregate.locked_at = None
            aggregate.deletion_due = None
            aggregate.deletion_reminded = False
            aggregate.sessions_cut = 0
            aggregate.kept_session_id = None
            aggregate.reused_session_id = None
            aggregate.auditor = False

    class VerificationRequested(events.VerificationRequested):
        pass

    class PasswordResetRequested(events.PasswordResetRequested):
        pass

    class RegistrationRepeated(events.RegistrationRepeated):
        pass

    class EmailVerified(Root.Event):
        TOPIC = "user.email_verified"

        def apply(self, aggregate: "User") -> None:
            aggregate.email_verified = True
            aggregate.links.pop("verify", None)

    class ProfileChanged(Root.Event):
        TOPIC = "user.profile_changed"
        name: Personal[str]
        avatar_url: Personal[str | None] = None

        def apply(self, aggregate: "User") -> None:
            aggregate.name = self.name
            aggregate.avatar_url = self.avatar_url

    class PasswordChanged(Root.Event):
        TOPIC = "user.password_changed"
        ends_sessions = True
        password_hash: Personal[str]
        kept_session_id: UUID | None = None

        def apply(self, aggregate: "User") -> None:
            aggregate.password_hash = self.password_hash
            aggregate.locked_at = None
            events.end_links_but(aggregate, "undo_email", "lockdown")
            events.allow_reset(aggregate)
            events.cut_sessions(aggregate, self, self.kept_session_id)

    class Deactivated(Root.Event):
        TOPIC = "user.deactivated"
        revokes = ("user_profile",)
        ends_sessions = True

        def apply(self, aggregate: "User") -> None:
            aggregate.deactivated_at = self.timestamp
            aggregate.links = {}
            events.cut_sessions(aggregate, self)

    class Erased(Root.Event):
        TOPIC = "user.erased"
        revokes = ("user_profile",)
        erases = True
        ends_sessions = True

        def apply(self, aggregate: "User") -> None:
            aggregate.erased = True
            aggregate.deactivated_at = self.timestamp
            aggregate.links = {}
            events.cut_sessions(aggregate, self)

    class PasswordRehashed(events.PasswordRehashed):
        pass

    class EmailChangeRequested(events.EmailChangeRequested):
        pass

    class EmailChangeConfirmed(events.EmailChangeConfirmed):
        pass

    class EmailChanged(events.EmailChanged):
        pass

    class EmailChangeUndone(events.EmailChangeUndone):
        pass

    class FormerEmailReleased(events.FormerEmailReleased):
        pass

    class SessionsEnded(events.SessionsEnded):
        pass

    class TokenReused(events.TokenReused):
        pass

    class LockdownLinkIssued(events.LockdownLinkIssued):
        pass

    class LockedDown(events.LockedDown):
        pass

    class DeletionRequested(events.DeletionRequested):
        pass

    class DeletionReminded(events.DeletionReminded):
        pass

    class DeletionWithdrawn(events.DeletionWithdrawn):
        pass

    class TermsAccepted(events.TermsAccepted):
        pass

    class AuditorAppointed(events.AuditorAppointed):
        pass

    class AuditorDismissed(events.AuditorDismissed):
        pass

    email: str
    email_verified: bool
    name: str
    avatar_url: str | None
    password_hash: str
    deactivated_at: datetime | None
    links: dict[LinkKind, Link]
    """The latest link of each kind that has not ended. It may have expired."""
    links_requested_at: dict[LinkKind, list[datetime]]
    """The times of the links of each kind: the latest, and those within a day before it."""
    registration_repeated_at: datetime | None
    new_email: str | None
    """The address that a requested change is to."""
    former_email: str | None
    """The address before the latest change, while that can be undone. It still belongs to the account."""
    terms_version: str | None
    """The version of the terms that the user accepted last."""
    locked_at: datetime | None
    """Since when the password does not work; None: it does."""
    deletion_due: datetime | None
    """When the account is to be erased, at the earliest; None: it is not."""
    deletion_reminded: bool
    sessions_cut: int
    """The version of the last event that ended sessions: those that began before it. 0: there is none."""
    kept_session_id: UUID | None
    """The session that this event has kept."""
    reused_session_id: UUID | None
    """The last session that ended since one of its refresh tokens was used twice."""
    auditor: bool
    """Whether the user is appointed to read the history of others (`auditing.py`)."""

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

    @property
    def suspended(self) -> bool:
        """Whether the account is locked, or waits for its deletion."""
        return self.locked_at is not None or self.deletion_due is not None

    @property
    def may_log_in(self) -> bool:
        """Whether the right password is enough to log in, if no deletion is pending."""
        return self.active and self.email_verified and self.locked_at is None

    @property
    def verified_addresses(self) -> list[str]:
        """The addresses of the account that its user has shown to be theirs."""
        return [email for email in (self.email if self.email_verified else None, self.former_email) if email]

    @property
    def verifying_link(self) -> RequestedKind | None:
        """The kind of link that verifies the address; None: it is verified.

        If an unverified account was registered again, its password may be a stranger's: it takes a new one.
        """
        if self.email_verified:
            return None
        return "verify" if self.registration_repeated_at is None else "reset"

    def request_link(self, kind: RequestedKind, *, link_id: UUID, token_digest: str, now: datetime) -> None:
        """Issue a link; it ends the earlier one of its kind.

        There is no event if the account is closed, if another kind verifies the address, or none, or within
        `LINK_INTERVALS` after the last one.
        """
        is_useful = kind in ("reset", self.verifying_link)
        if not self.active or not is_useful or not self.may_request(kind, now):
            return
        event = self.VerificationRequested if kind == "verify" else self.PasswordResetRequested
        expires_at = now + (VERIFICATION_LIFETIME if kind == "verify" else RESET_LIFETIME)
        self.trigger_event(event, now=now, link_id=link_id, token_digest=token_digest, expires_at=expires_at)

    def repeat_registration(self, *, now: datetime) -> None:
        """Record that somebody registers with the address of this account: once, of a verified one once a day.

        Of an unverified one it is not known who accepted the terms, so its user must accept them again.
        """
        last = self.registration_repeated_at
        is_due = last is None or (self.email_verified and now - last >= REPEAT_INTERVAL)
        if self.active and is_due:
            self.trigger_event(self.RegistrationRepeated, now=now, drops_terms=not self.email_verified)

    def require_link(self, kind: LinkKind, token_digest: str, *, now: datetime) -> None:
        """Refuse a token that is not that of the current link of its kind.

        Raises:
            LinkNotValid: the link is wrong, used, replaced or expired, or the account is closed.
        """
        link = self.links.get(kind)
        if link is None or not hmac.compare_digest(link["digest"], token_digest) or now >= link["expires_at"]:
            raise link_not_valid()

    def verify_email(self, *, token_digest: str, now: datetime) -> None:
        """Record that the user receives mail at their address: they have the token of the link.

        Raises:
            LinkNotValid: see `require_link`.
        """
        self.require_link("verify", token_digest, now=now)
        self.trigger_event(self.EmailVerified, now=now)

    def reset_password(self, *, token_digest: str, password_hash: str, now: datetime) -> None:
        """Set a new password, by the token of a link. Since the link came by mail, it verifies the address, too.

        Raises:
            LinkNotValid: see `require_link`.
        """
        self.require_link("reset", token_digest, now=now)
        self.trigger_event(self.PasswordChanged, now=now, password_hash=password_hash, kept_session_id=None)
        if not self.email_verified:
            self.trigger_event(self.EmailVerified, now=now)

    def change_profile(self, *, name: str, avatar_url: str | None, now: datetime) -> None:
        """Set the name and the picture (None: no picture).

        Raises:
            UserIsDeactivated, AccountIsSuspended: the account is not open.
            UnusableText, UnusableAvatar: the name or the picture's address is not valid.
        """
        self.require_open()
        name = usable_name(name)
        avatar_url = None if avatar_url is None else usable_avatar_url(avatar_url)
        if (name, avatar_url) != (self.name, self.avatar_url):
            self.trigger_event(self.ProfileChanged, now=now, name=name, avatar_url=avatar_url)

    def change_password(self, *, password_hash: str, now: datetime, kept_session_id: UUID | None = None) -> None:
        """Set the password, and end all sessions but the one that is kept.

        Raises:
            UserIsDeactivated, AccountIsSuspended: the account is not open.
        """
        self.require_open()
        if password_hash != self.password_hash:
            self.trigger_event(
                self.PasswordChanged, now=now, password_hash=password_hash, kept_session_id=kept_session_id
            )

    def rehash_password(self, *, password_hash: str, now: datetime) -> None:
        """Set another hash of the same password."""
        self.trigger_event(self.PasswordRehashed, now=now, password_hash=password_hash)

    def accept_terms(self, version: str, *, now: datetime) -> None:
        """Record that the user accepts a version of the terms. The same one again causes no event.

        Raises:
            UserIsDeactivated, AccountIsSuspended: the account is not open.
            UnusableTermsVersion: the text is no version.
        """
        self.require_open()
        version = terms_version(version)
        if version != self.terms_version:
            self.trigger_event(self.TermsAccepted, now=now, terms_version=version)

    def end_sessions(self, *, now: datetime, kept_session_id: UUID | None = None) -> None:
        """End all sessions but the one that is kept."""
        self.trigger_event(self.SessionsEnded, now=now, kept_session_id=kept_session_id)

    def keeps_session(self, session_id: UUID, version: int) -> bool:
        """Return whether a session may go on that began when the account was at `version`."""
        return self.active and (version >= self.sessions_cut or session_id == self.kept_session_id)

    def report_reuse(self, *, session_id: UUID, now: datetime) -> None:
        """Record that a refresh token of a session was used twice: once for each session."""
        if self.active and session_id != self.reused_session_id:
            self.trigger_event(self.TokenReused, now=now, session_id=session_id)

    def deactivate(self, *, now: datetime) -> None:
        """Close the account."""
        if self.active:
            self.trigger_event(self.Deactivated, now=now)

    def erase(self, *, now: datetime) -> None:
        """Close the account and erase all that is known of its user. A second erasure causes no event."""
        if not self.erased:
            self.trigger_event(self.Erased, now=now)

    def require_open(self) -> None:
        """Refuse what takes an account that is open and not suspended.

        Raises:
            UserIsDeactivated, AccountIsSuspended: it is not.
        """
        if not self.active:
            raise UserIsDeactivated("This account is closed; register again with another address.")
        if self.suspended:
            raise AccountIsSuspended("This account is locked or waits for its deletion; log in to see how to go on.")

    def may_request(self, kind: LinkKind, now: datetime) -> bool:
        """Return whether `LINK_INTERVALS` allow another link of a kind."""
        return may_be_issued(self.links_requested_at.get(kind, []), now)
