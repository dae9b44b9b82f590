"""Languages, one data file each: the words that carriers take for STOP, START and HELP, and what Relay itself says.

A translator needs no Python: a file beside this one is a language. Every list of words names who reads them that way
(``sources``); a language in which nobody was found to have words of its own has none, and STOP works there as everywhere.

The files are read once, when this is imported. That is no effect that a decision could wait for or come out differently by: they
are installed with the code, as much part of it as a table written in Python.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

WORD_LISTS = ("stop", "start", "help")


@dataclass(frozen=True, slots=True)
class Locale:
    """One language. ``words`` and ``sources`` by the names of ``WORD_LISTS``; ``phrases`` by those of ``core.notices.Phrase``.

    ``code_named`` and ``code_nameless``: the text that carries a code, with and without a programme to name.
    """

    language: str
    words: Mapping[str, tuple[str, ...]]
    sources: Mapping[str, str]
    phrases: Mapping[str, str]
    code_named: str
    code_nameless: str


def read(language: str, text: str) -> Locale:
    """A language from its file. Raises ValueError for a file that is no TOML, KeyError for one that lacks something."""
    found = tomllib.loads(text)
    return Locale(
        language,
        {name: tuple(found["words"][name]) for name in WORD_LISTS},
        dict(found.get("sources", {})),
        dict(found["phrases"]),
        found["code"]["named"],
        found["code"]["nameless"],
    )


def _all() -> dict[str, Locale]:
    files = sorted((f for f in resources.files(__name__).iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)
    return {name: read(name, file.read_text("utf-8")) for file in files for name in [file.name.removesuffix(".toml")]}


LOCALES: Mapping[str, Locale] = _all()
