"""Folding of the security log: a flood takes a few rows, and no account's entries are hidden behind others."""

from uuid import UUID, uuid4

from application.ports import Client, SecurityEntry
from infra.security_log.folding import MAX_KINDS, SINGLE, Folding

ADA = UUID(int=1)
CLIENT = Client("192.0.2.7", "curl")


def failed(user_id: UUID | None = None) -> SecurityEntry:
    reason = "unknown_address" if user_id is None else "wrong_password"
    return SecurityEntry("log_in", "refused", uuid4(), CLIENT, user_id, reason=reason)  # type: ignore[arg-type]


def test_the_first_entries_alike_are_kept_and_the_others_become_one_with_their_number() -> None:
    folding = Folding()
    entries = [failed(ADA) for _ in range(100)]
    assert [folding.admits(entry, "net") for entry in entries] == [True] * SINGLE + [False] * (100 - SINGLE)
    [folded] = folding.end_minute()
    assert (folded.user_id, folded.request_id, folded.client) == (ADA, entries[SINGLE].request_id, CLIENT)
    assert folded.count == 100 - SINGLE


def test_refusals_by_limits_become_one_entry_of_a_minute() -> None:
    folding = Folding()
    refused = SecurityEntry("exceed_limit", "refused", uuid4(), CLIENT, ADA, reason="rate_limited")
    assert not any(folding.admits(refused, "net") for _ in range(100))
    assert [entry.count for entry in folding.end_minute()] == [100]


def test_each_minute_begins_again() -> None:
    folding = Folding()
    for _ in range(SINGLE + 1):
        folding.admits(failed(), "net")
    assert len(folding.end_minute()) == 1
    assert folding.admits(failed(), "net")
    assert folding.end_minute() == []


def test_attempts_on_an_account_are_not_hidden_behind_attempts_on_others() -> None:
    folding = Folding()
    for _ in range(1_000):
        folding.admits(failed(), "net")
        folding.admits(failed(uuid4()), "net")
    assert folding.admits(failed(ADA), "net")


def test_without_an_account_each_network_is_counted_for_itself() -> None:
    folding = Folding()
    for _ in range(1_000):
        folding.admits(failed(), "net")
    assert folding.admits(failed(), "another net")


def test_many_networks_and_accounts_fill_no_memory() -> None:
    folding = Folding()
    for number in range(MAX_KINDS):
        assert folding.admits(failed(), f"net {number}")
    admitted = [folding.admits(failed(uuid4()), "net") for _ in range(1_000)]
    assert admitted == [True] * SINGLE + [False] * (1_000 - SINGLE)
    [folded] = folding.end_minute()
    assert (folded.user_id, folded.client, folded.count) == (None, None, 1_000 - SINGLE)
