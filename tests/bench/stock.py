"""The peer of the event store: the library's own application on its own PostgreSQL recorders, as it documents them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar
from uuid import UUID

import psycopg
from eventsourcing.application import Application
from eventsourcing.cryptography import AESCipher
from eventsourcing.domain import Aggregate, event

from tests.support.servers import Database


class Page(Aggregate):
    """A text with a title, as a reader of the library's tutorial would write it."""

    class Written(Aggregate.Created):
        """The first event."""

        title: str
        content: str
        owner_id: UUID

    class Retitled(Aggregate.Event):
        """Every later one."""

        title: str

    @event(Written)
    def __init__(self, title: str, content: str, owner_id: UUID) -> None:
        self.title = title
        self.content = content
        self.owner_id = owner_id

    @event(Retitled)
    def retitle(self, title: str) -> None:
        """One event."""
        self.title = title


class Pages(Application[UUID]):
    """Pages, in the table `pages_events`."""


class SealedPages(Pages):
    """The same in a table of their own, sealed by the library's cipher, AES-256-GCM as ours."""


class SnapshotPages(Pages):
    """The same in tables of their own, with a snapshot every hundred events, as ours have."""

    snapshotting_intervals: ClassVar = {Page: 100}


SEALED = {"CIPHER_TOPIC": "eventsourcing.cryptography:AESCipher", "CIPHER_KEY": AESCipher.create_key(32)}
"""The settings of sealed pages."""


def environment(database: Database, **more: str) -> dict[str, str]:
    """The library's settings. Connections are kept, as many as `POSTGRES_POOL_SIZE` says."""
    at = psycopg.conninfo.conninfo_to_dict(database.admin_url)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": str(at["dbname"]),
        "POSTGRES_HOST": str(at["host"]),
        "POSTGRES_PORT": str(at["port"]),
        "POSTGRES_USER": str(at["user"]),
        "POSTGRES_PASSWORD": str(at["password"]),
        "POSTGRES_MAX_OVERFLOW": "0",
        "POSTGRES_MAX_WAITING": "1000",
        **more,
    }


@contextmanager
def opened(database: Database, kind: type[Pages] = Pages, **more: str) -> Iterator[Pages]:
    """The peer on that database."""
    app = kind(env=environment(database, **more))
    try:
        yield app
    finally:
        app.close()


def new_page(text: str) -> Page:
    """A page, not yet stored."""
    return Page(title=text, content=text, owner_id=UUID(int=7))


def store_pages(app: Pages, number: int, versions: int, text: str) -> list[Page]:
    """Many pages, each with as many events, all stored."""
    pages = [new_page(text) for _ in range(number)]
    for page in pages:
        for version in range(2, versions + 1):
            page.retitle(f"{version:08}{text}")
        app.save(page)
    return pages
