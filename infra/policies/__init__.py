"""Policies: reacts to the events of the log with commands and jobs, each once in effect."""
