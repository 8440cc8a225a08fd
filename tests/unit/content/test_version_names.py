"""Names of versions: given, changed and removed, each once."""

from collections.abc import Callable

import pytest

from domain.access import RoleTooLow
from domain.content import version_names
from domain.content.document import Document
from domain.content.refusals import DocumentIsTrashed, TooManyNames
from domain.content.version_names import name_version, unname_version
from domain.kernel import NotFound
from domain.text import UnusableText
from tests.support.given import NOW, address_of, fact, given, new_events, person
from tests.support.saves import created, saved

ADA, VIEWER, STRANGER = map(person, range(1, 4))
CREATED, PUBLISHED = created("Title", "one", ADA.user_id), saved(2, status="published")
VIEWED = fact(Document.Shared, address_id=address_of(VIEWER), email="v@example.org", role="viewer")
NAMED = fact(Document.VersionNamed, revision=1, name="First")


def test_a_version_is_named_and_named_otherwise() -> None:
    document = given(Document, CREATED, PUBLISHED)
    for name in (" First ", "First", "Sent \N{OTTER}"):
        name_version(document, 1, name, by=ADA, now=NOW)
    assert new_events(document) == [NAMED, fact(Document.VersionNamed, revision=1, name="Sent \N{OTTER}")]


def test_a_name_is_removed_once() -> None:
    document = given(Document, CREATED, NAMED)
    unname_version(document, 1, by=ADA, now=NOW)
    unname_version(document, 1, by=ADA, now=NOW)
    assert new_events(document) == [fact(Document.VersionUnnamed, revision=1)]


def test_naming_makes_no_version() -> None:
    document = given(Document, CREATED, NAMED, PUBLISHED)
    assert (document.revision, document.version_of(2)) == (2, 3)


@pytest.mark.parametrize("name", ["", " ", "two\nlines", "x" * 101])
def test_a_name_that_is_no_line_is_refused(name: str) -> None:
    with pytest.raises(UnusableText):
        name_version(given(Document, CREATED), 1, name, by=ADA, now=NOW)


@pytest.mark.parametrize(
    "act",
    [
        lambda document, revision, by: name_version(document, revision, "First", by=by, now=NOW),
        lambda document, revision, by: unname_version(document, revision, by=by, now=NOW),
    ],
    ids=["name", "unname"],
)
def test_names_take_an_editor_a_version_and_a_document_outside_of_the_trash(act: Callable[..., None]) -> None:
    with pytest.raises(RoleTooLow):
        act(given(Document, CREATED, VIEWED), 1, VIEWER)
    with pytest.raises(NotFound):
        act(given(Document, CREATED), 1, STRANGER)
    with pytest.raises(NotFound):
        act(given(Document, CREATED), 2, ADA)
    with pytest.raises(DocumentIsTrashed):
        act(given(Document, CREATED, fact(Document.Trashed)), 1, ADA)


def test_a_document_has_a_bounded_number_of_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(version_names, "MAX_NAMES", 1)
    document = given(Document, CREATED, NAMED, PUBLISHED)
    name_version(document, 1, "Another", by=ADA, now=NOW)
    with pytest.raises(TooManyNames):
        name_version(document, 2, "Second", by=ADA, now=NOW)
