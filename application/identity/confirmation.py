"""Confirmation by the current password, for commands that take more than a session: a thief may have that."""

from dataclasses import dataclass

from application.commands import PortGroup
from application.identity.attempts import SignInAttempts
from application.ports import Client, Passwords
from application.proofs import Proof
from domain.identity.user import User
from domain.kernel import Forbidden


class WrongPassword(Forbidden):
    """The current password was wrong."""


@dataclass(frozen=True, slots=True)
class Confirmation(PortGroup):
    """The ports by which a handler finds out whether the sender knows the password."""

    passwords: Passwords
    attempts: SignInAttempts
    proof: Proof
    client: Client | None

    async def require(self, user: User, password: str) -> None:
        """Refuse another password than the user's. A failure counts as one to log in.

        Raises:
            WrongPassword
            TooManyAttempts: too many attempts have failed.
            Unavailable: too many passwords are being checked.
        """
        async with self.attempts.attempt(user.email, self.client):
            if not await self.passwords.verify(password, user.password_hash):
                raise WrongPassword("The current password is wrong; request a link to set a new one if you forgot it.")
        self.proof.user_id = user.id
