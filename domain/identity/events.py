"""Events of users about their address, their sessions, locks and deletion: bases of those that `User` names.

Here they are only written down, because a file has its bounds; all other code uses `User.EmailChanged` and so on.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal
from uuid import UUID

from domain.identity.claims import email_claim
from domain.identity.links import Link, LinkKind, within_a_day
from domain.kernel import Claim, Personal, Root

if TYPE_CHECKING:
    from domain.identity.user import User

REMINDER_BEFORE = timedelta(days=3)
"""How long before the end of the grace the user is reminded of the deletion of their account."""


def keep_link(user: "User", kind: LinkKind, link_id: UUID, digest: str, expires_at: datetime) -> None:
    """Keep an issued link."""
    user.links[kind] = Link(id=link_id, digest=digest, expires_at=expires_at)


def note_request(user: "User", kind: LinkKind, time: datetime) -> None:
    """Keep the time at which a link was requested."""
    user.links_requested_at[kind] = within_a_day(user.links_requested_at.get(kind, []), time)


def allow_reset(user: "User") -> None:
    """Let the next link for a new password be issued at once, however often it was requested."""
    user.links_requested_at.pop("reset", None)


def end_links_but(user: "User", *kinds: LinkKind) -> None:
    """End all links but those of these kinds, and with its links a requested change of address."""
    user.links = {kind: link for kind, link in user.links.items() if kind in kinds}
    user.new_email = None


def cut_sessions(user: "User", event: Root.Event, kept: UUID | None = None) -> None:
    """Note that an event ends sessions. Each event with `ends_sessions` applies this."""
    user.sessions_cut, user.kept_session_id = event.originator_version, kept


class VerificationRequested(Root.Event):
    TOPIC = "user.verification_requested"
    link_id: UUID
    token_digest: str
    expires_at: datetime

    def apply(self, aggregate: "User") -> None:
        keep_link(aggregate, "verify", self.link_id, self.token_digest, self.expires_at)
        note_request(aggregate, "verify", self.timestamp)


class PasswordResetRequested(Root.Event):
    TOPIC = "user.password_reset_requested"
    link_id: UUID
    token_digest: str
    expires_at: datetime

    def apply(self, aggregate: "User") -> None:
        keep_link(aggregate, "reset", self.link_id, self.token_digest, self.expires_at)
        note_request(aggregate, "reset", self.timestamp)


class RegistrationRepeated(Root.Event):
    TOPIC = "user.registration_repeated"
    drops_terms: bool = False

    def apply(self, aggregate: "User") -> None:
        aggregate.registration_repeated_at = self.timestamp
        if self.drops_terms:
            aggregate.terms_version = None
        aggregate.links.pop("verify", None)


class PasswordRehashed(Root.Event):
    """The password stays; its hash is now of the kind that new ones are."""

    TOPIC = "user.password_rehashed"
    password_hash: Personal[str]

    def apply(self, aggregate: "User") -> None:
        aggregate.password_hash = self.password_hash


class EmailChangeRequested(Root.Event):
    """The user wants another address. The links to both addresses have one id; their tokens differ by purpose."""

    TOPIC = "user.email_change_requested"
    email: Personal[str]
    link_id: UUID
    new_token_digest: str
    old_token_digest: str
    expires_at: datetime

    def apply(self, aggregate: "User") -> None:
        aggregate.new_email = self.email
        keep_link(aggregate, "new_email", self.link_id, self.new_token_digest, self.expires_at)
        keep_link(aggregate, "old_email", self.link_id, self.old_token_digest, self.expires_at)
        note_request(aggregate, "new_email", self.timestamp)


class EmailChangeConfirmed(Root.Event):
    """One of the two addresses has confirmed the change; the other one is still to do so."""

    TOPIC = "user.email_change_confirmed"
    address: Literal["new", "old"]

    def apply(self, aggregate: "User") -> None:
        aggregate.links.pop("new_email" if self.address == "new" else "old_email", None)


class EmailChanged(Root.Event):
    """Both addresses have confirmed the change. The former one is kept until the change cannot be undone."""

    TOPIC = "user.email_changed"
    ends_sessions = True
    email: Personal[str]
    former_email: Personal[str]
    link_id: UUID
    token_digest: str
    expires_at: datetime

    def claims(self) -> Iterable[Claim]:
        return [email_claim(self.email)]

    def apply(self, aggregate: "User") -> None:
        cut_sessions(aggregate, self)
        aggregate.email = self.email
        aggregate.former_email = self.former_email
        end_links_but(aggregate, "lockdown")
        keep_link(aggregate, "undo_email", self.link_id, self.token_digest, self.expires_at)


class EmailChangeUndone(Root.Event):
    """The former address is back. The password may be known to a stranger: it is to be set again."""

    TOPIC = "user.email_change_undone"
    ends_sessions = True
    email: Personal[str]
    undone_email: Personal[str]

    def releases(self) -> Iterable[Claim]:
        return [email_claim(self.undone_email)]

    def apply(self, aggregate: "User") -> None:
        cut_sessions(aggregate, self)
        aggregate.email = self.email
        aggregate.former_email = None
        aggregate.locked_at = self.timestamp
        end_links_but(aggregate)
        aggregate.links_requested_at = {}


class FormerEmailReleased(Root.Event):
    """Another account may have this address: the change from it cannot be undone any more, or it was never verified."""

    TOPIC = "user.former_email_released"
    former_email: Personal[str]

    def releases(self) -> Iterable[Claim]:
        return [email_claim(self.former_email)]

    def apply(self, aggregate: "User") -> None:
        aggregate.former_email = None
        aggregate.links.pop("undo_email", None)


class SessionsEnded(Root.Event):
    TOPIC = "user.sessions_ended"
    ends_sessions = True
    kept_session_id: UUID | None = None

    def apply(self, aggregate: "User") -> None:
        cut_sessions(aggregate, self, self.kept_session_id)


class TokenReused(Root.Event):
    TOPIC = "user.token_reused"
    session_id: UUID

    def apply(self, aggregate: "User") -> None:
        aggregate.reused_session_id = self.session_id


class LockdownLinkIssued(Root.Event):
    TOPIC = "user.lockdown_link_issued"
    link_id: UUID
    token_digest: str
    expires_at: datetime

    def apply(self, aggregate: "User") -> None:
        keep_link(aggregate, "lockdown", self.link_id, self.token_digest, self.expires_at)


class LockedDown(Root.Event):
    """The user says that somebody else used the account: the password does not work until it is set again."""

    TOPIC = "user.locked_down"
    ends_sessions = True

    def apply(self, aggregate: "User") -> None:
        cut_sessions(aggregate, self)
        aggregate.locked_at = self.timestamp
        end_links_but(aggregate, "reset", "undo_email")
        allow_reset(aggregate)


class DeletionRequested(Root.Event):
    """The account is to be erased at `due`. Until then others see nothing of it, and the user may withdraw."""

    TOPIC = "user.deletion_requested"
    ends_sessions = True
    revokes = ("user_profile",)
    due: datetime

    def apply(self, aggregate: "User") -> None:
        cut_sessions(aggregate, self)
        aggregate.deletion_due = self.due
        aggregate.deletion_reminded = False
        end_links_but(aggregate, "reset", "undo_email", "lockdown")


class DeletionReminded(Root.Event):
    """The reminder. If it was late, the grace ends later."""

    TOPIC = "user.deletion_reminded"

    def apply(self, aggregate: "User") -> None:
        aggregate.deletion_reminded = True
        aggregate.deletion_due = self.timestamp + REMINDER_BEFORE


class DeletionWithdrawn(Root.Event):
    TOPIC = "user.deletion_withdrawn"

    def apply(self, aggregate: "User") -> None:
        aggregate.deletion_due = None


class TermsAccepted(Root.Event):
    TOPIC = "user.terms_accepted"
    terms_version: str

    def apply(self, aggregate: "User") -> None:
        aggregate.terms_version = self.terms_version


class AuditorAppointed(Root.Event):
    """Operators let the user read the history of others."""

    TOPIC = "user.auditor_appointed"
    reason: Personal[str]

    def apply(self, aggregate: "User") -> None:
        aggregate.auditor = True


class AuditorDismissed(Root.Event):
    """The user may not read the history of others any more: their tokens with that scope end, too."""

    TOPIC = "user.auditor_dismissed"
    ends_sessions = True
    reason: Personal[str]

    def apply(self, aggregate: "User") -> None:
        aggregate.auditor = False
        cut_sessions(aggregate, self)
