"""Every adapter of the sealed log keeps the port's promise: the stand-in of unit tests, and the one in PostgreSQL."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from application.ports import NoSuchTile, NotContinued, NotSealedYet, SealedLog, Unreadable
from infra.audit.notes import decode_hash
from infra.audit.sealed_log import PostgresSealedLog
from infra.audit.tree import leaf_hash, require_consistency, require_inclusion
from tests.support import merkle_model
from tests.support.memory_sealed_log import MemorySealedLog
from tests.support.sealing import SIGNER, entries, execute, fill, seal
from tests.support.servers import Database
from tests.support.stores import open_store

SIZE = 300


@dataclass
class Subject:
    """A log of 300 sealed entries, and one of none."""

    log: SealedLog
    empty: SealedLog
    entries: list[bytes]


@pytest_asyncio.fixture(params=["memory", "postgres"])
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    if request.param == "memory":
        made = [b"entry %d" % number for number in range(SIZE)]
        yield Subject(MemorySealedLog(SIGNER, made), MemorySealedLog(SIGNER, []), made)
        return
    database: Database = request.getfixturevalue("database")
    async with open_store(database.part_url("api")) as opened:
        log = PostgresSealedLog(opened.database)
        with pytest.raises(NotSealedYet):
            await log.checkpoint()
        fill(database, SIZE)
        seal(database)
        yield Subject(log, MemorySealedLog(SIGNER, []), entries(database))


async def test_the_checkpoint_is_that_of_the_whole_log(subject: Subject) -> None:
    signed = SIGNER.key.open(await subject.log.checkpoint())
    assert (signed.size, signed.root) == (SIZE, merkle_model.root(subject.entries))
    with pytest.raises(NotSealedYet):
        await subject.empty.checkpoint()


async def test_a_tile_has_the_hashes_of_its_leaves_as_far_as_they_are_sealed(subject: Subject) -> None:
    hashes = [leaf_hash(entry) for entry in subject.entries]
    assert await subject.log.tile("0/000") == b"".join(hashes[:256])
    assert await subject.log.tile("0/000.p/7") == b"".join(hashes[:7])
    assert await subject.log.tile("0/001.p/44") == b"".join(hashes[256:])
    assert await subject.log.tile("1/000.p/1") == merkle_model.root(subject.entries[:256])


@pytest.mark.parametrize(
    "path", ["0/001", "0/001.p/45", "0/002.p/1", "1/000.p/2", "2/000.p/1", "entries/000", "entries/001.p/44", "0/1"]
)
async def test_there_is_no_tile_beyond_the_checkpoint_nor_one_of_entries(subject: Subject, path: str) -> None:
    with pytest.raises(NoSuchTile):
        await subject.log.tile(path)


@pytest.mark.parametrize("position", [1, 256, 257, 300])
async def test_a_proof_leads_from_a_leaf_to_the_checkpoint_and_leaves_the_leaf_out(
    subject: Subject, position: int
) -> None:
    proof = await subject.log.inclusion(position)
    head, _, note = proof.partition("\n\n")
    first, index, *lines = head.split("\n")
    assert (first, index) == ("c2sp.org/tlog-proof@v1", f"index {position - 1}")
    signed, entry = SIGNER.key.open(note), subject.entries[position - 1]
    require_inclusion(leaf_hash(entry), position - 1, signed.size, [decode_hash(line) for line in lines], signed.root)
    with pytest.raises(NotSealedYet):
        await subject.log.inclusion(SIZE + 1)


@pytest.mark.parametrize(("old", "new"), [(1, 300), (255, 256), (256, 257), (300, 300)])
async def test_a_later_log_continues_an_earlier_one(subject: Subject, old: int, new: int) -> None:
    roots = [merkle_model.root(subject.entries[:size]) for size in (old, new)]
    require_consistency(old, roots[0], new, roots[1], await subject.log.consistency(old, new))
    with pytest.raises(NotContinued):
        await subject.log.consistency(new + 1, new)
    with pytest.raises(NotSealedYet):
        await subject.log.consistency(old, SIZE + 1)


async def test_a_damaged_tree_proves_nothing(database: Database) -> None:
    fill(database, SIZE)
    seal(database)
    execute(database, "DELETE FROM log_tiles")
    async with open_store(database.part_url("api")) as opened:
        log = PostgresSealedLog(opened.database)
        for proof in (log.inclusion(3), log.consistency(3, SIZE)):
            with pytest.raises(Unreadable):
                await proof
        execute(database, "UPDATE log_checkpoints SET note = 'nothing'")
        with pytest.raises(Unreadable):
            await log.inclusion(3)
