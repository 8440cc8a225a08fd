"""Names of versions: people give one to a version that they want to find again."""

from datetime import datetime
from typing import TYPE_CHECKING

from domain.access import Person
from domain.content.refusals import TooManyNames
from domain.content.texts import usable_version_name
from domain.kernel import Personal, Root

if TYPE_CHECKING:
    from domain.content.document import Document

MAX_NAMES = 1_000


class VersionNamed(Root.Event):
    """A version got a name, or another one."""

    TOPIC = "document.version_named"
    revision: int
    name: Personal[str]

    def apply(self, aggregate: "Document") -> None:
        aggregate.version_names[self.revision] = self.name


class VersionUnnamed(Root.Event):
    """A version lost its name."""

    TOPIC = "document.version_unnamed"
    revision: int

    def apply(self, aggregate: "Document") -> None:
        aggregate.version_names.pop(self.revision, None)


def name_version(document: "Document", revision: int, name: str, *, by: Person, now: datetime) -> None:
    """Give a version a name. The name that it has causes no event.

    Raises:
        NotFound, RoleTooLow: the person may not edit the document, or it has no such version.
        UnusableText: the name is not valid.
        DocumentIsTrashed: the document is in the trash.
        TooManyNames: the document has the maximum number of named versions.
    """
    document.require_editable(by)
    document.version_of(revision)
    name = usable_version_name(name)
    names = document.version_names
    if revision not in names and len(names) >= MAX_NAMES:
        raise TooManyNames(f"A document has at most {MAX_NAMES} named versions; remove a name first.")
    if names.get(revision) != name:
        document.trigger_event(document.VersionNamed, now=now, revision=revision, name=name)


def unname_version(document: "Document", revision: int, *, by: Person, now: datetime) -> None:
    """Remove the name of a version. A version without a name causes no event.

    Raises:
        NotFound, RoleTooLow: the person may not edit the document, or it has no such version.
        DocumentIsTrashed: the document is in the trash.
    """
    document.require_editable(by)
    document.version_of(revision)
    if revision in document.version_names:
        document.trigger_event(document.VersionUnnamed, now=now, revision=revision)
