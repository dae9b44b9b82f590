"""Trees written down as RFC 6962 section 2.1 defines them, without a thought for speed: what ours is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from hashlib import sha256


def leaves(count: int) -> tuple[bytes, ...]:
    """So many leaves of 32 bytes, each another."""
    return tuple(sha256(b"leaf %d" % number).digest() for number in range(count))


@cache
def defined_root(data: tuple[bytes, ...]) -> bytes:
    """MTH of the RFC."""
    if not data:
        return sha256(b"").digest()
    if len(data) == 1:
        return sha256(b"\x00" + data[0]).digest()
    k = _below(len(data))
    return sha256(b"\x01" + defined_root(data[:k]) + defined_root(data[k:])).digest()


def defined_path(index: int, data: tuple[bytes, ...]) -> list[bytes]:
    """PATH of the RFC."""
    if len(data) == 1:
        return []
    k = _below(len(data))
    if index < k:
        return [*defined_path(index, data[:k]), defined_root(data[k:])]
    return [*defined_path(index - k, data[k:]), defined_root(data[:k])]


def defined_proof(old: int, data: tuple[bytes, ...]) -> list[bytes]:
    """PROOF of the RFC."""
    return _subproof(old, data, whole=True)


def _subproof(old: int, data: tuple[bytes, ...], *, whole: bool) -> list[bytes]:
    if old == len(data):
        return [] if whole else [defined_root(data)]
    k = _below(len(data))
    if old <= k:
        return [*_subproof(old, data[:k], whole=whole), defined_root(data[k:])]
    return [*_subproof(old - k, data[k:], whole=False), defined_root(data[:k])]


def _below(size: int) -> int:
    return max(1 << power for power in range(size.bit_length()) if 1 << power < size)


def changed(value: bytes, at: int) -> bytes:
    """The same bytes but for one bit."""
    place = at % (len(value) * 8)
    return (int.from_bytes(value, "big") ^ 1 << place).to_bytes(len(value), "big")


def spoiled(path: Sequence[bytes]) -> list[list[bytes]]:
    """Every way to spoil a proof by one step: a bit, a hash taken out, put in, swapped, cut short."""
    found = [[*path[:n], changed(part, n * 7), *path[n + 1 :]] for n, part in enumerate(path)]
    found += [[*path[:n], *path[n + 1 :]] for n in range(len(path))]
    found += [[*path[:n], bytes(32), *path[n:]] for n in range(len(path) + 1)]
    found += [[*path[:n], path[n + 1], path[n], *path[n + 2 :]] for n in range(len(path) - 1)]
    return found + [[*path[:n], part[:31], *path[n + 1 :]] for n, part in enumerate(path)]
