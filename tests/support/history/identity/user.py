"""Users, each with a subscription; some are auditors, and read."""

from uuid import uuid5

from domain.audit.audit_read import AuditRead
from domain.billing.subscription import Subscription
from domain.identity import auditing, email_change, suspension
from domain.identity.email_change import TokenDigests
from domain.identity.user import User
from domain.kernel import Party, Root
from tests.support.history.kernel import History, begins, changes


@begins(User, chance=0.05)
def register(history: History) -> list[Root]:
    email = f"user{len(history.of(User))}@example.org"
    user = User.register(id=history.id(), email=email, name=history.line(), password_hash="hash", now=history.now)
    subscription = Subscription.start(payer=Party("user", user.id), now=history.now)
    return [history.add(user), history.add(subscription)]


@changes(User, weight=1)
def change(history: History) -> list[Root]:
    user = history.any(User)
    match history.random.randrange(12):
        case 0:
            digest = f"digest {history.random.random()}"
            user.request_link("verify", link_id=history.id(), token_digest=digest, now=history.now)
        case 1:
            if "verify" in user.links:
                user.verify_email(token_digest=user.links["verify"]["digest"], now=history.now)
        case 2:
            user.change_password(password_hash=history.line(), now=history.now)
        case 3:
            user.deactivate(now=history.now)
        case 4:
            change_address(history, user)
        case 5:
            suspension.request_deletion(user, now=history.now)
        case 6:
            suspension.withdraw_deletion(user, now=history.now)
        case 7:
            user.accept_terms(f"{history.random.randrange(9)}", now=history.now)
        case _:
            picture = history.random.choice([None, "https://example.org/me.png"])
            user.change_profile(name=history.line(), avatar_url=picture, now=history.now)
            return [user, *audit(history, user)]
    return [user]


def audit(history: History, user: User) -> list[Root]:
    """Appoint or dismiss the user, and let them read. It draws nothing, so all else in the history stays as it is."""
    if user.auditor:
        auditing.dismiss_auditor(user, reason="The review is done.", now=history.now)
    elif user.email_verified:
        auditing.appoint_auditor(user, reason="Reviews the year.", now=history.now)
    audited = AuditRead.record(
        id=uuid5(user.id, f"read {user.version}"),
        auditor_id=user.id,
        operation="audit_user_history",
        topic="user",
        aggregate_id=user.id,
        filters={},
        user_ids=[user.id],
        team_ids=[],
        now=history.now,
    )
    return [history.add(audited)]


def change_address(history: History, user: User) -> None:
    """Release or undo the last change of address, or else change it."""
    if "undo_email" in user.links and history.random.random() < 0.5:
        email_change.undo(user, token_digest=user.links["undo_email"]["digest"], now=history.now)
    elif user.former_email is not None:
        email_change.release_former(user, now=history.now)
    else:
        digests = TokenDigests(history.id(), f"new {history.random.random()}", f"old {history.random.random()}")
        email = f"changed{history.random.random()}@example.org"
        email_change.request(user, email=email, digests=digests, now=history.now)
        for digest in (digests.new, digests.old):
            undo = f"undo {history.random.random()}"
            email_change.confirm(
                user, token_digest=digest, undo_link_id=history.id(), undo_digest=undo, now=history.now
            )
