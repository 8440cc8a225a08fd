"""Keyed hashes: known answers. With other ones, stored claims and ids of addresses would be useless."""

from uuid import UUID

from infra.sealing.blind_index import BlindIndex

INDEX = BlindIndex(bytes(range(32, 64)))


def test_digests_are_known() -> None:
    """M1: these digests could change with every test green."""
    claim = "7119419c67e1cc922cc389ec70a53ca6a0305a69dee3de1b2a57102161997682"
    assert INDEX.claim("email", "ada@example.org").hex() == claim
    request = "1d9588580f19ce85b0f51a4f744556db7b98a293cb6a2260bc65abc6ee90dd7a"
    assert INDEX(b"idempotency", b"actor", b"key").hex() == request
    assert INDEX.address_id("Ada@Example.org") == UUID("8b283ed4-2170-8374-a51b-bc795626e98e")


def test_parts_are_not_run_together() -> None:
    assert len({INDEX(b"ab", b"c"), INDEX(b"a", b"bc"), INDEX(b"abc"), INDEX(b"a", b"b", b"c")}) == 4
