"""The ledger of a mail server that is killed while it writes."""

from dataclasses import replace
from pathlib import Path

from tests.support.smtp import Ledger, ReceivedMail

MAIL = ReceivedMail("<a@example.org>", "", "ada@example.org", "ada@example.org", "Hello", "", "", "")
OTHER = replace(MAIL, message_id="<b@example.org>")


def test_a_torn_mail_is_left_out_and_cut_off_before_the_next_one(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "mails.jsonl")
    ledger.add(MAIL)
    with ledger.path.open("a") as file:
        file.write('{"message_id": "<torn')
    mails, offset = ledger.read_from(0)
    assert mails == ledger.mails() == [MAIL]
    ledger.mend()
    ledger.add(OTHER)
    assert ledger.read_from(offset)[0] == [OTHER]
    assert ledger.mails("ada@example.org") == [MAIL, OTHER]


def test_a_ledger_without_a_mail_is_empty(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "mails.jsonl")
    ledger.mend()
    assert (ledger.mails(), ledger.read_from(0)) == ([], ([], 0))
