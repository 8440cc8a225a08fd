"""The life of a user."""

from uuid import UUID

from domain.identity import auditing, email_change, suspension
from domain.identity.email_change import TokenDigests
from domain.identity.links import UNDO_LIFETIME
from domain.identity.user import User
from tests.support.given import ID, NOW
from tests.support.lives.kernel import LATER, life


def change_address(user: User, email: str, number: int) -> None:
    """Request a change of address, and confirm it from both."""
    digests = TokenDigests(UUID(int=number), f"new {number}", f"old {number}")
    email_change.request(user, email=email, digests=digests, now=LATER + number * UNDO_LIFETIME)
    for token in (digests.old, digests.new):
        email_change.confirm(
            user,
            token_digest=token,
            undo_link_id=UUID(int=10 + number),
            undo_digest=f"undo {number}",
            now=LATER + number * UNDO_LIFETIME,
        )


@life
def user() -> User:
    """Registered, verified, changed in all ways, an auditor, almost deleted, locked, deactivated and erased."""
    user = User.register(id=ID, email="ada@example.org", name="Ada", password_hash="hash", now=NOW)
    user.request_link("verify", link_id=UUID(int=1), token_digest="digest 1", now=LATER)
    user.verify_email(token_digest="digest 1", now=LATER)
    user.repeat_registration(now=LATER)
    user.change_profile(name="Ada L.", avatar_url="https://example.org/ada.png", now=LATER)
    user.request_link("reset", link_id=UUID(int=2), token_digest="digest 2", now=LATER)
    user.reset_password(token_digest="digest 2", password_hash="other hash", now=LATER)
    user.rehash_password(password_hash="another hash", now=LATER)
    user.accept_terms("2026-11", now=LATER)
    user.end_sessions(kept_session_id=UUID(int=3), now=LATER)
    user.report_reuse(session_id=UUID(int=3), now=LATER)
    auditing.appoint_auditor(user, reason="Reviews the year.", now=LATER)
    auditing.dismiss_auditor(user, reason="The review is done.", now=LATER)
    change_address(user, "ada@example.com", 3)
    email_change.release_former(user, now=LATER + 4 * UNDO_LIFETIME)
    change_address(user, "ada@example.net", 4)
    email_change.undo(user, token_digest="undo 4", now=LATER)
    user.request_link("reset", link_id=UUID(int=5), token_digest="digest 5", now=LATER)
    user.reset_password(token_digest="digest 5", password_hash="other hash", now=LATER)
    suspension.request_deletion(user, now=LATER)
    suspension.remind_of_deletion(user, now=LATER + suspension.DELETION_GRACE)
    suspension.issue_lockdown_link(user, link_id=UUID(int=6), token_digest="lock", now=LATER)
    suspension.lock_down(user, token_digest="lock", now=LATER)
    user.deactivate(now=LATER)
    user.erase(now=LATER)
    return user
