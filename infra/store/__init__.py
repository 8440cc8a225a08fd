"""The event store: appends events, reads streams and the log, encodes and seals what is stored."""
