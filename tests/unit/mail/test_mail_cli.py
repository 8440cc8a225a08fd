"""`palimpsest mail`, and the mails that `palimpsest up` shows: what people see, and no control characters."""

import asyncio
import sys
from pathlib import Path

import pytest

from adapters.mail.file_mailer import FileMailer
from adapters.mail.templates import mail_names
from infra.cli import main
from infra.cli.new_mails import NewMails
from tests.support.environment import unset_settings
from tests.support.mails import COMPOSE, TOKEN, clock, mail
from tests.support.smtp import Ledger, ReceivedMail, running_smtp


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    unset_settings(monkeypatch)
    monkeypatch.setenv("PALIMPSEST_DATA_DIR", str(tmp_path))


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """The exit code of `palimpsest mail`."""
    monkeypatch.setattr(sys, "argv", ["palimpsest", "mail", *words])
    with pytest.raises(SystemExit) as ended:
        main.main()
    return int(ended.value.code or 0)


@pytest.mark.parametrize("template", mail_names())
def test_a_preview_shows_a_mail_and_sends_none(
    template: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(monkeypatch, "preview", template) == 0
    output = capsys.readouterr().out
    assert output.startswith("From: Palimpsest <palimpsest@localhost>\nSubject: ")
    assert "Hello Ada Lovelace," in output
    assert not [*tmp_path.iterdir()]


def test_a_preview_as_html_is_a_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(monkeypatch, "preview", "verify", "--html") == 0
    file = Path(capsys.readouterr().out.strip())
    assert file.parent == tmp_path / "mail"
    assert file.read_text().startswith("<!doctype html>")


def test_links_lead_to_the_api_or_to_the_front_end_that_is_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PALIMPSEST_PUBLIC_URL", "https://api.example.org/")
    run(monkeypatch, "preview", "verify")
    assert "\nhttps://api.example.org/v1/auth/links/verify#token=sample" in capsys.readouterr().out
    monkeypatch.setenv("PALIMPSEST_LINK_URL", "https://app.example.org/#/{purpose}/{token}")
    run(monkeypatch, "preview", "reset")
    assert "\nhttps://app.example.org/#/reset/sample" in capsys.readouterr().out


def test_an_unknown_mail_and_a_wrong_address_are_sentences(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "preview", "unknown") == 2
    assert "There are: access_accepted, access_asked," in capsys.readouterr().err
    assert run(monkeypatch, "send-test", "nowhere") == 2
    assert "An email address looks like" in capsys.readouterr().err


def test_a_test_mail_is_a_file_without_a_mail_server(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(monkeypatch, "send-test", "ada@example.org") == 0
    (file,) = (tmp_path / "mail").iterdir()
    assert str(file) in capsys.readouterr().out
    assert ReceivedMail.parse(file.read_bytes()).to == "ada@example.org"


def test_a_test_mail_goes_to_the_mail_server_that_is_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PALIMPSEST_MAIL_FROM", "Palimpsest <no-reply@palimpsest.example>")
    with running_smtp(tmp_path) as server:
        monkeypatch.setenv("PALIMPSEST_SMTP_URL", server.url)
        assert run(monkeypatch, "send-test", "Ada@Example.org") == 0
    assert f"Taken by 127.0.0.1, port {server.port}." in capsys.readouterr().out
    (arrived,) = Ledger(server.ledger.path).mails("ada@example.org")
    assert arrived.sender == "no-reply@palimpsest.example"
    assert run(monkeypatch, "send-test", "ada@example.org") == 2
    assert "Correct PALIMPSEST_SMTP_URL" in capsys.readouterr().err


def test_new_mails_are_shown_once_with_their_links(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "mail"
    assert not folder.exists()
    new = NewMails(folder)
    new.show()
    asyncio.run(FileMailer(folder, COMPOSE, clock).send(mail("reset", key="mail-1")))
    new.show()
    new.show()
    link = f"https://app.example.org/reset#token={TOKEN}"
    assert capsys.readouterr().out == f"  Mail   to ada@example.org: Set a new password\n         {link}\n"
    NewMails(folder).show()
    assert capsys.readouterr().out == "", "mails of an earlier start are shown again"


def test_a_file_that_is_no_mail_is_shown_without_control_characters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = NewMails(tmp_path)
    (tmp_path / "odd.eml").write_bytes(b"Subject: \x1b[31mred\n\n\xff")
    new.show()
    assert "\x1b" not in capsys.readouterr().out
