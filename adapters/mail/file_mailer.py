"""The stand-in for a mail server: mails as files, for a laptop."""

import asyncio
import os
import secrets
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from adapters.mail.message import Composer, OutgoingMail
from application.ports import Clock, EmailIndex, Mail, Unavailable

KEPT_FOR = timedelta(days=1)
"""Older mails are removed when the next one is written: their links are over, and they name people."""

FOLDER = "The folder of mails"

MAX_KEY_LENGTH = 150
"""The longest part of a file's name that is taken from the Message-ID; file systems refuse 256 bytes."""


class FileMailer:
    """Implements `application.ports.Mailer` and `KeptMails`: each mail is a file that only its owner can read.

    Its name is `TIME-MESSAGE_ID.ADDRESS_ID.eml`, with the blind id of the address, by which `forget` finds it; without
    `addresses` it has none. Message-IDs have the ids of users and teams.
    """

    def __init__(self, folder: Path, compose: Composer, clock: Clock, addresses: EmailIndex | None = None) -> None:
        self._folder = folder
        self._compose = compose
        self._clock = clock
        self._addresses = addresses

    async def send(self, mail: Mail) -> None:
        """Write a mail.

        Raises:
            MailRefused: the address is not one that mail can be sent to.
            Unavailable: the file cannot be written.
        """
        now = self._clock()
        outgoing = self._compose(mail, now)
        try:
            await asyncio.to_thread(self._write, outgoing, now, self._mark(mail.to))
        except OSError:
            raise Unavailable(FOLDER) from None

    async def forget(self, subject_id: UUID) -> None:
        """See `application.ports.KeptMails.forget`."""
        try:
            await asyncio.to_thread(self._remove, subject_id.hex)
        except OSError:
            raise Unavailable(FOLDER) from None

    def _mark(self, address: str) -> str:
        return "" if self._addresses is None else f".{self._addresses.address_id(address).hex}"

    def _remove(self, id: str) -> None:
        for file in self._folder.glob(f"*{id}*.eml"):
            file.unlink(missing_ok=True)

    def _write(self, outgoing: OutgoingMail, now: datetime, mark: str) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for old in self._folder.glob("*.eml"):
            if old.stat().st_mtime < (now - KEPT_FOR).timestamp():
                old.unlink(missing_ok=True)
        key = outgoing.message_id.strip("<>").partition("@")[0][:MAX_KEY_LENGTH]
        name = f"{now:%Y%m%dT%H%M%S.%fZ}-{key}{mark}.eml"
        draft = self._folder / f".{secrets.token_hex(8)}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(outgoing.content)
        draft.rename(self._folder / name)
