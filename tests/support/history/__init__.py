"""A generated history through the real aggregates: the same for the same seed, and with every kind of event in it."""

from application.discovery import import_all
from tests.support.history.kernel import WORDS, History

__all__ = ["WORDS", "History"]

import_all("tests.support.history")
