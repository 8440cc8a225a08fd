"""Encryption of personal data at rest: one data key per subject, and keyed hashes to compare sealed values."""
