"""Tenants: for whom a stream is created. It is set at birth and stored with every event."""

from uuid import UUID

import pytest

from domain.billing.subscription import Subscription
from domain.content.document import Document
from domain.identity.user import User
from domain.kernel import Party, Root
from domain.privacy.address import Address
from domain.teams.team import Team
from tests.support.given import ID, NOW

OWNER = UUID(int=7)


@pytest.mark.parametrize(
    ("root", "tenant"),
    [
        (User.register(id=ID, email="ada@example.org", name="Ada", password_hash="-", now=NOW), Party("user", ID)),
        (Document.create(id=ID, owner_id=OWNER, title="Notes", content="", now=NOW), Party("user", OWNER)),
        (Team.found(id=ID, name="Team", slug="team", owner_id=OWNER, seats=3, now=NOW), Party("team", ID)),
        (Subscription.start(payer=Party("team", OWNER), now=NOW), Party("team", OWNER)),
        (Address.erase(id=ID, now=NOW), Party("user", ID)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_stream_belongs_to_whom_it_was_created_for(root: Root, tenant: Party) -> None:
    assert root.tenant == tenant
