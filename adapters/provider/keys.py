"""Whose key pays for an answer: caps and circuits are apart for each."""

from hashlib import sha256

from application.ports import Prompt

OURS = "provider"


def key_name(prompt: Prompt) -> str:
    """Return a name of the key that pays: `OURS`, or a digest. Keys are long and random, so it does not reveal one."""
    return OURS if prompt.key is None else sha256(prompt.key.encode()).hexdigest()[:32]
