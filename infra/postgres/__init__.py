"""Everything that talks to PostgreSQL below the level of events: connections, queries, locks, migrations."""
