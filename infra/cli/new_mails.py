"""Mails in the data folder, shown on the terminal of `palimpsest up`: their links are needed to try things out."""

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTPUTF8
from pathlib import Path

from infra.cli.terminal import Terminal

console = Terminal()


class NewMails:
    """Shows each mail that comes into the folder, once. `folder` need not exist yet."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._changed_at = 0
        self._seen: set[str] = set()
        self._seen = {file.name for file in self._unseen()}

    def show(self) -> None:
        """Print the mails that came since the last call."""
        for file in self._unseen():
            self._seen.add(file.name)
            try:
                console.print(_summary(file.read_bytes()))
            except FileNotFoundError:
                continue

    def _unseen(self) -> list[Path]:
        """Return new mails in the order of their times, which their names begin with."""
        try:
            changed_at = self._folder.stat().st_mtime_ns
        except FileNotFoundError:
            return []
        if changed_at == self._changed_at:
            return []
        self._changed_at = changed_at
        return sorted(file for file in self._folder.glob("*.eml") if file.name not in self._seen)


def _summary(content: bytes) -> str:
    """Return recipient, subject and link of a mail, in lines."""
    message = message_from_bytes(content, EmailMessage, policy=SMTPUTF8)
    body = message.get_body(("plain",))
    lines = [] if body is None else str(body.get_content()).splitlines()
    links = [f"         {line}" for line in lines if line.startswith("http")]
    return "\n".join([f"  Mail   to {message['To']}: {message['Subject']}", *links])
