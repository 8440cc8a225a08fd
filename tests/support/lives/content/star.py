"""The life of a star."""

from domain.content.star import Star
from tests.support.given import ID, NOW
from tests.support.lives.kernel import ADA, LATER, life


@life
def star() -> Star:
    """Set, removed, and set again."""
    star = Star.place(user_id=ADA.user_id, document_id=ID, now=NOW)
    star.remove(now=LATER)
    star.place_again(now=LATER)
    return star
