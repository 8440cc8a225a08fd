"""The stand-in for a mail server: private files, complete or not there, and gone after a day."""

from datetime import timedelta
from pathlib import Path
from stat import S_IMODE
from uuid import uuid4

import pytest

from adapters.mail.file_mailer import KEPT_FOR, FileMailer
from application.ports import Mailer, Unavailable
from infra.sealing.blind_index import BlindIndex
from tests.support.mails import COMPOSE, NOW, clock, mail
from tests.support.smtp import ReceivedMail


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_a_mail_is_a_file_that_only_its_owner_may_read(tmp_path: Path) -> None:
    mailer: Mailer = FileMailer(tmp_path / "mail", COMPOSE, clock)
    await mailer.send(mail(key="mail-1"))
    (file,) = files(tmp_path / "mail")
    assert file.name == "20261129T123000.000000Z-mail-1.eml"
    assert (S_IMODE(file.stat().st_mode), S_IMODE(file.parent.stat().st_mode)) == (0o600, 0o700)
    received = ReceivedMail.parse(file.read_bytes())
    assert (received.to, received.subject) == ("ada@example.org", "Confirm your email address")


async def test_a_long_key_makes_no_long_name(tmp_path: Path) -> None:
    await FileMailer(tmp_path, COMPOSE, clock).send(mail(key="k" * 400))
    (file,) = files(tmp_path)
    assert ReceivedMail.parse(file.read_bytes()).message_id.startswith("<" + "k" * 400)


async def test_mails_older_than_a_day_are_removed_with_the_next_one(tmp_path: Path) -> None:
    times = [NOW + timedelta(days=1000)]
    mailer = FileMailer(tmp_path, COMPOSE, lambda: times[0])
    await FileMailer(tmp_path, COMPOSE, clock).send(mail(key="old"))
    (tmp_path / "other.txt").touch()
    await mailer.send(mail(key="new"))
    assert {file.name.partition("-")[2] or file.name for file in files(tmp_path)} == {"new.eml", "other.txt"}
    assert timedelta(days=1) == KEPT_FOR


async def test_mails_to_an_erased_user_or_address_are_removed_and_no_others(tmp_path: Path) -> None:
    index, user_id = BlindIndex(bytes(32)), uuid4()
    mailer = FileMailer(tmp_path, COMPOSE, clock, index)
    await mailer.send(mail(to="ada@example.org", key=f"verify.{user_id.hex}.1"))
    await mailer.send(mail(to="ada@example.org", key="invitation.7"))
    await mailer.send(mail(to="bob@example.org", key="invitation.8"))
    await mailer.forget(uuid4())
    assert len(files(tmp_path)) == 3
    await mailer.forget(user_id)
    assert len(files(tmp_path)) == 2
    await mailer.forget(index.address_id("ada@example.org"))
    (left,) = files(tmp_path)
    assert ReceivedMail.parse(left.read_bytes()).to == "bob@example.org"


async def test_a_folder_that_does_not_exist_has_nothing_to_forget(tmp_path: Path) -> None:
    await FileMailer(tmp_path / "mail", COMPOSE, clock).forget(uuid4())


async def test_a_folder_that_cannot_be_written_is_an_outage(tmp_path: Path) -> None:
    (tmp_path / "mail").write_text("a file")
    with pytest.raises(Unavailable, match="folder of mails"):
        await FileMailer(tmp_path / "mail", COMPOSE, clock).send(mail())
