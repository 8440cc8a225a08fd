"""Every check of the signed log is seen to catch a fault: in the log, in what is signed, in what a reader got."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from infra.audit.notes import CheckpointSigner
from tests.chaos import invariants_of_checkpoints as checks
from tests.chaos.evidence import Evidence
from tests.chaos.real import Real, require_holding
from tests.chaos.verdicts import Check
from tests.support.sealing import SIGNER


def change_an_event(evidence: Evidence) -> Evidence:
    return replace(evidence, leaves=[evidence.leaves[0] + b"!", *evidence.leaves[1:]])


def lose_the_last_event(evidence: Evidence) -> Evidence:
    return replace(evidence, leaves=evidence.leaves[:-1])


def sign_with_another_key(evidence: Evidence) -> Evidence:
    note = CheckpointSigner(SIGNER.key.name, bytes(32)).sign(1, bytes(32))
    return replace(evidence, signed=[note, *evidence.signed])


def sign_another_history(evidence: Evidence) -> Evidence:
    return replace(evidence, signed=[SIGNER.sign(len(evidence.leaves), bytes(32)), *evidence.signed])


def lose_a_checkpoint(evidence: Evidence) -> Evidence:
    return replace(evidence, signed=[note for note in evidence.signed if note != evidence.ledger.published[-1]])


def publish_an_older_one_again(evidence: Evidence) -> Evidence:
    ledger = evidence.ledger
    return replace(evidence, ledger=replace(ledger, published=[*ledger.published, ledger.published[0]]))


CAUGHT_BY: dict[Callable[[Evidence], Evidence], Check] = {
    change_an_event: checks.what_is_signed_is_the_log,
    lose_the_last_event: checks.what_is_signed_is_the_log,
    sign_with_another_key: checks.what_is_signed_is_the_log,
    sign_another_history: checks.what_is_signed_is_the_log,
    lose_a_checkpoint: checks.what_is_published_stays_signed,
    publish_an_older_one_again: checks.what_is_published_stays_signed,
}


@pytest.mark.parametrize("spoil", CAUGHT_BY, ids=lambda spoil: spoil.__name__)
def test_a_fault_in_what_is_signed_is_caught(spoil: Callable[[Evidence], Evidence], real: Real) -> None:
    verdicts = CAUGHT_BY[spoil](spoil(real.outcome.evidence))
    assert any(verdict is not True for verdict in verdicts)


def test_without_a_fault_all_that_is_signed_holds(real: Real) -> None:
    require_holding(checks.CHECKS, real.outcome.evidence)
