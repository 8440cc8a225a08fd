"""Claims of users."""

from domain.kernel import Claim
from domain.text import email_key


def email_claim(email: str) -> Claim:
    """Return the claim to an email address in its normal form."""
    return Claim("email", email_key(email))
