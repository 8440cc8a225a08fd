"""Personal data at rest: sealed under a key per subject, found again only through keyed hashes."""
