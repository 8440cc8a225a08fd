"""The checkpoint that is published has the cosignatures that there are; what witnesses have cosigned is verified."""

from collections.abc import Sequence

import pytest

from application.ports import NotSealedYet
from infra.audit import cosigned_rows, published
from infra.audit.differences import WrongPosition
from infra.audit.notes import decode_hash
from infra.audit.published import NotEnoughWitnesses, WitnessPolicy
from infra.audit.sealed_log import PostgresSealedLog
from infra.audit.tree import leaf_hash, require_inclusion
from infra.audit.verification import VerificationResult, verify
from infra.postgres.connect import connect
from tests.support.given import NOW
from tests.support.sealing import SIGNER, empty_tree, entries, execute, fill, last_note, seal
from tests.support.servers import Database
from tests.support.stores import open_store
from tests.support.witness_server import WitnessServer

ONE, TWO = WitnessServer("one.example"), WitnessServer("two.example")
AGE = "UPDATE log_checkpoints SET signed_at = signed_at - interval '2 minutes' WHERE size <= %s"


def grow(database: Database, number: int, *witnesses: WitnessServer) -> None:
    """Seal more events, and keep what these witnesses say to the checkpoint."""
    fill(database, number)
    size, note = seal(database), last_note(database)
    for each in witnesses:
        execute(database, cosigned_rows.ADD, size, str(each.key), each.line(note), NOW)


@pytest.fixture
def log(database: Database) -> Database:
    """A log with checkpoints of 300, 310, 320 and 330 events, of which 310 has two cosignatures and 320 one."""
    grow(database, 300, ONE)
    grow(database, 10, TWO, ONE)
    grow(database, 10, ONE)
    grow(database, 10)
    return database


def found(database: Database, *witnesses: WitnessServer, quorum: int = 0, position: int = 1) -> tuple[int, list[str]]:
    """The size of the published checkpoint, and who has cosigned it."""
    policy = WitnessPolicy([each.key for each in witnesses], quorum)
    with connect(database.part_url("auditor")) as connection:
        checkpoint = published.published(connection, policy, position)
    assert checkpoint is not None
    assert SIGNER.key.open(checkpoint.note).size == checkpoint.size
    return checkpoint.size, [name for name, _ in WitnessPolicy([ONE.key, TWO.key]).cosigned(checkpoint.note)]


def test_of_the_last_minute_the_checkpoint_with_most_cosignatures_is_published(log: Database) -> None:
    assert found(log) == (310, ["one.example", "two.example"])
    assert found(log, position=311) == (320, ["one.example"])
    assert found(log, position=330) == (330, [])
    assert found(log, position=999) == (330, [])
    execute(log, AGE, 310)
    assert found(log) == (320, ["one.example"])
    execute(log, AGE, 320)
    assert found(log) == (330, [])


def test_who_asks_for_witnesses_gets_the_last_checkpoint_that_enough_of_them_have_cosigned(log: Database) -> None:
    execute(log, AGE, 310)
    assert found(log, ONE, quorum=1)[0] == 320
    assert found(log, TWO, quorum=1)[0] == 310
    assert found(log, ONE, TWO, quorum=2)[0] == 310
    with pytest.raises(NotEnoughWitnesses, match="the witness has cosigned no checkpoint that covers position 321"):
        found(log, ONE, quorum=1, position=321)
    with pytest.raises(
        NotEnoughWitnesses, match="2 of 2 witnesses have cosigned no checkpoint that covers position 311"
    ):
        found(log, ONE, TWO, quorum=2, position=311)
    execute(log, "UPDATE log_cosignatures SET line = %s WHERE size = 310", TWO.line(last_note(log)))
    with pytest.raises(NotEnoughWitnesses):
        found(log, TWO, quorum=1)


async def test_the_api_serves_cosignatures_with_checkpoints_and_proofs(log: Database) -> None:
    async with open_store(log.part_url("api")) as opened:
        served = PostgresSealedLog(opened.database)
        assert ONE.key.cosigned_at(await served.checkpoint()).timestamp() == ONE.time
        for position, size in {1: 310, 310: 310, 311: 320, 330: 330}.items():
            head, _, note = (await served.inclusion(position)).partition("\n\n")
            signed, entry = SIGNER.key.open(note), entries(log)[position - 1]
            assert signed.size == size
            hashes = [decode_hash(line) for line in head.split("\n")[2:]]
            require_inclusion(leaf_hash(entry), position - 1, size, hashes, signed.root)
        with pytest.raises(NotSealedYet):
            await served.inclusion(331)
        assert len(await served.consistency(310, 330)) > 1


def verified(database: Database) -> VerificationResult:
    with connect(database.part_url("auditor")) as connection:
        return verify(connection, SIGNER.key, lambda done, goal: None)


FALSE: dict[str, tuple[str, Sequence[object], int, str]] = {
    "it is of another checkpoint": (
        "UPDATE log_cosignatures SET size = 330 WHERE size = 320",
        [],
        311,
        "of one.example does not fit the checkpoint of 330 events",
    ),
    "its witness is another": (
        "UPDATE log_cosignatures SET witness = %s WHERE size = 320",
        [str(WitnessServer("else.example").key)],
        311,
        "of else.example does not fit the checkpoint of 320 events: the witness has not cosigned",
    ),
    "its checkpoint is gone": (
        "UPDATE log_cosignatures SET size = 400 WHERE size = 320",
        [],
        311,
        "one.example has cosigned 400 events, and there is no such checkpoint",
    ),
}


@pytest.mark.parametrize(("statement", "values", "position", "words"), FALSE.values(), ids=FALSE)
def test_a_cosignature_that_does_not_fit_the_log_is_reported(
    log: Database, statement: str, values: Sequence[object], position: int, words: str
) -> None:
    assert verified(log) == VerificationResult(330, 4, 0, 4)
    execute(log, statement, *values)
    with pytest.raises(WrongPosition, match=words) as caught:
        verified(log)
    assert caught.value.position == position


def test_a_history_that_was_signed_again_does_not_fit_what_witnesses_have_cosigned(log: Database) -> None:
    execute(log, "UPDATE stored_events SET state = 'x'::bytea WHERE notification_id = 7")
    empty_tree(log)
    seal(log)
    execute(log, "DELETE FROM log_cosignatures WHERE size < 320")
    with pytest.raises(WrongPosition, match="has cosigned 320 events, and there is no such checkpoint"):
        verified(log)
