"""Authentication with email address and password, for the commands that begin with it."""

import asyncio
from dataclasses import dataclass
from uuid import UUID

from application.commands import PortGroup
from application.identity.attempts import SignInAttempts
from application.ports import Client, NotAuthenticated, Passwords, SecurityEntry, SecurityLog, Store
from application.security_actions import SecurityReason
from domain.identity.claims import email_claim
from domain.identity.user import User
from domain.kernel import NotFound
from domain.text import UnusableEmail, email_address

NO_USER = UUID(int=0)
LOOKUP_SECONDS = 0.01
"""The time in which a login looks for the account, whatever it finds: to load a user takes longer than to find none."""


class WrongCredentials(NotAuthenticated):
    """Email address and password do not match, the address is not verified, or the account is closed or locked.

    The refusal does not say which: with a password of one's own for a stranger's address, another refusal for
    unverified accounts would show whether the stranger had an account already.
    """


@dataclass(frozen=True, slots=True)
class Authentication(PortGroup):
    """The ports by which a handler finds out who the sender of a request is."""

    store: Store
    passwords: Passwords
    attempts: SignInAttempts
    security_log: SecurityLog
    client: Client | None
    request_id: UUID

    async def user(self, email: str, password: str) -> User:
        """Return the user with this email address and password. Their account may wait for its deletion.

        Raises:
            WrongCredentials: there is none who may log in. The security log says why.
            TooManyAttempts: too many attempts have failed.
            Unavailable: too many passwords are being checked.
        """
        async with self.attempts.attempt(email, self.client):
            user, _ = await asyncio.gather(self._find(email), asyncio.sleep(LOOKUP_SECONDS))
            right = await self.passwords.verify(password, user.password_hash if user else None)
            reason = _why_refused(user, right=right)
            if user is not None and reason is None:
                return user
            self._note(user, reason)
            raise WrongCredentials(
                "Email address and password do not match, or the address is not verified yet. Check both; if you have "
                "just registered, use the link in the mail, or request a new one."
            )

    def _note(self, user: User | None, reason: SecurityReason | None) -> None:
        """Note in the security log why a login was refused."""
        user_id = user.id if user else None
        self.security_log.note(SecurityEntry("log_in", "refused", self.request_id, self.client, user_id, reason=reason))

    async def _find(self, email: str) -> User | None:
        """Return the user with the address. Loads a user even if there is none: the work must not reveal accounts."""
        try:
            email = email_address(email)
            user = await self.store.get(User, await self.store.claimed_by(email_claim(email)) or NO_USER)
        except (UnusableEmail, NotFound):
            return None
        return user if user.email == email else None  # a former address does not log in


def _why_refused(user: User | None, *, right: bool) -> SecurityReason | None:
    """Return why a login is refused, for the security log only; None: it is not."""
    if user is None:
        return "unknown_address"
    if not right:
        return "wrong_password"
    if not user.active:
        return "account_closed"
    if user.locked_at is not None:
        return "account_locked"
    return None if user.email_verified else "address_not_verified"
