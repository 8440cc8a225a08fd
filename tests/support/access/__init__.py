"""Access to every operation of the HTTP API, as people of every role try it."""

from application.discovery import import_all
from tests.support.access.kernel import CASES, NOTHING, OWNERLESS, PUBLIC, Case, People, operations

__all__ = ["CASES", "NOTHING", "OWNERLESS", "PUBLIC", "Case", "People", "operations"]

import_all("tests.support.access")
