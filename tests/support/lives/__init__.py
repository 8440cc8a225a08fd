"""A full life of each aggregate: every kind of event it has, decided by its commands."""

from application.discovery import import_all
from tests.support.lives.kernel import LIVES

__all__ = ["LIVES"]

import_all("tests.support.lives")
LIVES.sort(key=lambda root: type(root).__module__)
