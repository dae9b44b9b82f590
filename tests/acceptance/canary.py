"""Looks for phones and texts where none may be, in every spelling and encoding that one could slip in by.

For each phone: E.164, without plus, national, grouped in several ways, spelled out; each as it is, as hex and base64 of its
UTF-8 and UTF-16 bytes, and as plain MD5, SHA-1 and SHA-256 (in hex, which is also how a dump shows raw bytes, and base64).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator

import ahocorasick
import asyncpg

_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_SHORTEST = 9


def spellings(e164: str) -> set[str]:
    """The ways in which people and programs write a North American phone."""
    national = e164.removeprefix("+1")
    area, middle, end = national[:3], national[3:6], national[6:]
    spelled = [_WORDS[int(digit)] for digit in national]
    return {
        e164,
        e164.removeprefix("+"),
        national,
        f"({area}) {middle}-{end}",
        f"({area}){middle}-{end}",
        f"{area}-{middle}-{end}",
        f"{area} {middle} {end}",
        f"{area}.{middle}.{end}",
        f"+1 {area} {middle} {end}",
        f"+1-{area}-{middle}-{end}",
        " ".join(spelled),
        "-".join(spelled),
        "".join(spelled),
    }


def encodings(plain: str, *, hashes: bool = True) -> Iterator[str]:
    """The plain words and everything that a careless hand could have made of them."""
    yield plain
    for encoded in (plain.encode(), plain.encode("utf-16-le"), plain.encode("utf-16-be")):
        yield encoded.hex()
        yield encoded.hex().upper()
        yield from _base64_anywhere(encoded)
    if hashes:
        for algorithm in ("md5", "sha1", "sha256"):
            digest = hashlib.new(algorithm, plain.encode()).digest()[:16]  # also when somebody cut it short
            yield digest.hex()
            yield digest.hex().upper()
            yield base64.b64encode(digest[:15]).decode()
            yield base64.urlsafe_b64encode(digest[:15]).decode()
            yield digest.decode("latin-1")


def _base64_anywhere(data: bytes) -> Iterator[str]:
    """What stands in a base64 text whatever came before and after."""
    for before in range(3):
        text = base64.b64encode(bytes(before) + data).decode().rstrip("=")
        start, end = (0, 2, 3)[before], len(text) - (1 if (before + len(data)) % 3 else 0)
        if end - start >= _SHORTEST:
            yield text[start:end]


class Canary:
    """Finds any of many needles in one pass."""

    def __init__(self, phones: Iterable[str], words: Iterable[str]) -> None:
        self._automaton = ahocorasick.Automaton()
        for phone in phones:
            for spelling in spellings(phone):
                for needle in encodings(spelling):
                    self._automaton.add_word(needle, f"a phone as {needle[:4]}... ({len(needle)} characters)")
        for word in words:
            for needle in encodings(word, hashes=False):
                self._automaton.add_word(needle, f"a text as {needle[:4]}...")
        self._automaton.make_automaton()

    def finds(self, hay: str) -> list[str]:
        """What of it stands in this."""
        return sorted({what for _, what in self._automaton.iter(hay)})


async def dump_of(url: str) -> str:
    """Every row of every table, as text; bytes show as hex."""
    connection = await asyncpg.connect(url)
    try:
        tables = await connection.fetch("select tablename from pg_tables where schemaname = 'public' order by 1")
        parts = []
        for (table,) in tables:
            parts += [row[0] for row in await connection.fetch(f'select t::text from "{table}" t')]
        return "\n".join(parts)
    finally:
        await connection.close()
