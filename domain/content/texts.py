"""Titles and contents of documents: their rules and lengths."""

from domain.text import multi_line, single_line

TITLE_LENGTH = 300
CONTENT_LENGTH = 1_000_000


def usable_title(title: str) -> str:
    """Return the title in the form to store.

    Raises:
        UnusableText: see `domain.text.single_line`.
    """
    return single_line(title, "A title", TITLE_LENGTH)


def usable_content(content: str) -> str:
    """Return the content in the form to store.

    Raises:
        UnusableText: see `domain.text.multi_line`.
    """
    return multi_line(content, "A content", CONTENT_LENGTH)
