"""Titles and contents of documents: their rules and lengths."""

from domain.text import multi_line, single_line

TITLE_LENGTH = 300
CONTENT_LENGTH = 1_000_000
VERSION_NAME_LENGTH = 100


def usable_title(title: str) -> str:
    """Return the title in the form to store.

    Raises:
        UnusableText: see `domain.text.single_line`.
    """
    return single_line(title, "A title", TITLE_LENGTH)


def title_of_copy(title: str) -> str:
    """Return the title of a copy of a document, cut if it would be too long."""
    return f"Copy of {title}"[:TITLE_LENGTH]


def usable_version_name(name: str) -> str:
    """Return the name of a version in the form to store.

    Raises:
        UnusableText: see `domain.text.single_line`.
    """
    return single_line(name, "A name", VERSION_NAME_LENGTH)


def usable_content(content: str) -> str:
    """Return the content in the form to store.

    Raises:
        UnusableText: see `domain.text.multi_line`.
    """
    return multi_line(content, "A content", CONTENT_LENGTH)
