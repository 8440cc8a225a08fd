"""The Merkle tree as RFC 9162, section 2.1, defines it: recursive, slow, and written without the code under test."""

import hashlib
from collections.abc import Sequence


def root(entries: Sequence[bytes]) -> bytes:
    """MTH(D[n])."""
    if not entries:
        return _sha256(b"")
    if len(entries) == 1:
        return _sha256(b"\x00", entries[0])
    half = _half(len(entries))
    return _sha256(b"\x01", root(entries[:half]), root(entries[half:]))


def inclusion(index: int, entries: Sequence[bytes]) -> list[bytes]:
    """PATH(m, D[n])."""
    if len(entries) == 1:
        return []
    half = _half(len(entries))
    if index < half:
        return [*inclusion(index, entries[:half]), root(entries[half:])]
    return [*inclusion(index - half, entries[half:]), root(entries[:half])]


def consistency(old: int, entries: Sequence[bytes]) -> list[bytes]:
    """PROOF(m, D[n])."""
    return _subproof(old, entries, whole=True)


def _subproof(old: int, entries: Sequence[bytes], *, whole: bool) -> list[bytes]:
    if old == len(entries):
        return [] if whole else [root(entries)]
    half = _half(len(entries))
    if old <= half:
        return [*_subproof(old, entries[:half], whole=whole), root(entries[half:])]
    return [*_subproof(old - half, entries[half:], whole=False), root(entries[:half])]


def _half(number: int) -> int:
    half = 1
    while half * 2 < number:
        half *= 2
    return half


def _sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()
