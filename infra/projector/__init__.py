"""Runs the read models: live, catching up, rebuilding, in quarantine, and into Redis."""
