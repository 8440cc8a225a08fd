"""The event store: the log, its one writer, and everything that reads it."""
