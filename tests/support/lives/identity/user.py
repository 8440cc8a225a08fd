"""The life of a user."""

from domain.identity.user import User
from tests.support.given import ID, NOW
from tests.support.lives.kernel import LATER, life


@life
def user() -> User:
    """Registered, verified, changed, deactivated and erased."""
    user = User.register(id=ID, email="ada@example.org", name="Ada", password_hash="hash", now=NOW)
    user.verify_email(now=LATER)
    user.change_profile(name="Ada L.", avatar_url="https://example.org/ada.png", now=LATER)
    user.change_password(password_hash="other hash", now=LATER)
    user.deactivate(now=LATER)
    user.erase(now=LATER)
    return user
