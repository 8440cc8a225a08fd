"""Keyed hashes: known answers. With other ones, stored claims and ids of addresses would be useless."""

from uuid import UUID

from domain.identity.claims import email_claim
from infra.sealing.blind_index import BlindIndex

INDEX = BlindIndex(bytes(range(32, 64)))


def test_digests_are_known() -> None:
    """M1: these digests could change with every test green."""
    claim = email_claim("ada@example.org")
    assert (
        INDEX.claim(claim.kind, claim.value).hex() == "0dc13ed16653a464a0786cf384c50bc96e7026765bca22ce3c1f39cc088a1c46"
    )
    request = "1d9588580f19ce85b0f51a4f744556db7b98a293cb6a2260bc65abc6ee90dd7a"
    assert INDEX(b"idempotency", b"actor", b"key").hex() == request
    assert INDEX.slug_id("crew") == UUID("7b463bb1-0cc5-84cc-8d68-28bb9ec82bed")
    assert INDEX.address_id("ada@example.org") == UUID("d1e4ecb1-f461-81db-ae7f-945ddc03aae6")


def test_parts_are_not_run_together() -> None:
    assert len({INDEX(b"ab", b"c"), INDEX(b"a", b"bc"), INDEX(b"abc"), INDEX(b"a", b"b", b"c")}) == 4
