"""The registry of advisory locks against the server."""

from infra.postgres.locks import REBUILD
from tests.support.servers import Database
from tests.support.stores import rows


def test_the_class_of_rebuilds_is_the_hash_that_earlier_versions_computed_on_the_server(database: Database) -> None:
    assert rows(database.app_url, "SELECT hashtext('palimpsest rebuild')") == [(REBUILD.key,)]
