"""Receipts of erasures: signed, without personal data, and only for what is gone."""

from pathlib import Path
from uuid import UUID, uuid4

import pytest
from typer.testing import CliRunner, Result

from domain.content import sharing
from domain.content.document import Document
from domain.identity.user import User
from domain.privacy.address import Address
from infra.audit.notes import LogCheckpoint, NoteRefused
from infra.cli.erase import app
from tests.support.environment import unset_settings
from tests.support.given import NOW, address_of, person
from tests.support.sealing import SIGNER, execute, seal
from tests.support.servers import Database
from tests.support.stores import CALL, make_key_file, open_store, rows

OTHER_KEY = "palimpsest.localhost/log+a9a1d7a9+ATu8tx3v9lPOYxS4rOWyu4zPRNSXbmrCnTxqAwjYs0Oo"

FORGED = """
INSERT INTO log_checkpoints (size, previous, note, signed_at)
SELECT 9, 2, replace(note, E'\\n2\\n', E'\\n9\\n'), signed_at FROM log_checkpoints WHERE size = 2
"""

RESTORED = """
UPDATE data_keys SET wrapped = kept.wrapped, erased_at = kept.erased_at, receipt = kept.receipt
FROM kept WHERE kept.subject_id = data_keys.subject_id
"""


@pytest.fixture(autouse=True)
def settings(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unset_settings(monkeypatch)
    make_key_file(tmp_path)
    monkeypatch.setenv("PALIMPSEST_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", database.admin_url)


def receipt(id: UUID, kind: str = "user") -> Result:
    return CliRunner().invoke(app, ["receipt", kind, str(id)])


def check(folder: Path, note: str, key: str = str(SIGNER.key)) -> Result:
    file = folder / "receipt"
    file.write_text(note)
    return CliRunner().invoke(app, ["check", str(file), "--key", key])


async def erased(database: Database, *, erase: bool = True) -> UUID:
    """A user, erased; the id."""
    user = User.register(id=uuid4(), email="ada@example.org", name="Ada", password_hash="-", now=NOW)
    async with open_store(database.app_url) as opened:
        await opened.store.append([user], CALL, None)
        if erase:
            user.erase(now=NOW)
            await opened.store.append([user], CALL, None)
    return user.id


async def test_a_receipt_is_signed_and_names_the_event_and_the_tree(database: Database, tmp_path: Path) -> None:
    id = await erased(database)
    assert "not sealed yet" in receipt(id).stderr
    size = seal(database)
    note = receipt(id).stdout
    lines = note.splitlines()
    assert lines[:3] == ["palimpsest-erasure-receipt/1", "log palimpsest.localhost/log", f"subject user {id}"]
    assert lines[4] == "event 2"
    assert lines[5].startswith(f"tree {size} ")
    assert [line.rpartition(" ")[2] for line in lines if line.startswith("left ")] == ["0"] * 8
    assert "Ada" not in note
    assert "example.org" not in note
    checked = check(tmp_path, note)
    assert checked.exit_code == 0, checked.stderr
    assert f"has signed that the user {id} was erased at" in checked.stdout


async def test_a_receipt_that_was_changed_or_signed_by_another_key_is_refused(
    database: Database, tmp_path: Path
) -> None:
    id = await erased(database)
    seal(database)
    note = receipt(id).stdout
    for changed in (
        note.replace("event 2", "event 1"),
        note.replace("receipt/1", "receipt/2"),
        note[:-9],
        "",
        "a\n\nb",
    ):
        assert check(tmp_path, changed).exit_code == 1, changed
    assert check(tmp_path, note, OTHER_KEY).exit_code == 1
    [(checkpoint,)] = rows(database.admin_url, "SELECT note FROM log_checkpoints ORDER BY size DESC LIMIT 1")
    assert check(tmp_path, checkpoint).exit_code == 1, "a checkpoint is no receipt"
    with pytest.raises(NoteRefused):
        LogCheckpoint.of(note)


async def test_there_is_no_receipt_for_what_is_not_gone(database: Database) -> None:
    kept = await erased(database, erase=False)
    seal(database)
    assert "was not erased" in receipt(kept).stderr
    assert "was not erased" in receipt(uuid4()).stderr
    async with open_store(database.app_url) as opened:
        user = await opened.store.load(User, kept)
        assert user is not None
        user.erase(now=NOW)
        await opened.store.append([user], CALL, None)
    seal(database)
    execute(database, "INSERT INTO projections (name, version, position) VALUES ('document', 1, 1)")
    assert "the read model document has not followed" in receipt(kept).stderr
    execute(database, "UPDATE projections SET position = 10")
    assert receipt(kept).exit_code == 0
    execute(database, FORGED)
    assert "is not one of this log and its key" in receipt(kept).stderr
    execute(database, "DELETE FROM log_checkpoints WHERE size = 9")
    rows(database.admin_url, "UPDATE data_keys SET wrapped = 'x', erased_at = NULL, receipt = NULL")
    assert "something of it is left in data_keys" in receipt(kept).stderr


async def test_of_an_address_that_was_used_again_only_a_key_of_before_is_left(database: Database) -> None:
    owner, id = person(1), address_of(person(2))
    async with open_store(database.app_url) as opened:

        async def use() -> None:
            shared = Document.create(id=uuid4(), owner_id=owner.user_id, title="A", content="", now=NOW)
            sharing.share(shared, address_id=id, email="bob@example.org", role="viewer", by=owner, now=NOW)
            await opened.store.append([shared], CALL, None)

        await use()
        address = Address.erase(id=id, now=NOW)
        await opened.store.append([address], CALL, None)
        await use()
        seal(database)
        assert receipt(id, "address").exit_code == 0
        execute(database, "CREATE TABLE kept AS SELECT * FROM data_keys")
        address.erase_again(now=NOW)
        await opened.store.append([address], CALL, None)
        seal(database)
        assert receipt(id, "address").exit_code == 0
    execute(database, RESTORED)
    assert "something of it is left in data_keys" in receipt(id, "address").stderr


def test_what_cannot_be_read_is_said_in_a_sentence(tmp_path: Path) -> None:
    missing = CliRunner().invoke(app, ["check", str(tmp_path / "missing"), "--key", str(SIGNER.key)])
    assert "cannot be read" in str(missing.exception)
    assert "--key" in str(check(tmp_path, "", "no key").exception)
    (tmp_path / "bytes").write_bytes(b"\xff")
    assert CliRunner().invoke(app, ["check", str(tmp_path / "bytes"), "--key", str(SIGNER.key)]).exit_code == 1
