"""SQL as text, taken apart far enough for rules: statements, the groups that parentheses make, tables and columns named.

This is no parser. It knows the plain SQL that the files here are written in; what it does not understand is meant to look
like a breach, not to pass. ``sql_rules`` says what is asked of a statement.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from relay.storage import migrate, queries

_NOISE = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", re.DOTALL)
_NO_ALIAS = (
    "where|set|on|using|order|as|join|left|right|full|cross|inner|natural|lateral|from|for|limit|group|having|values"
    "|default|returning|union|intersect|except|select|do|and|or"
)
_CLAUSE = re.compile(r"\b(?:select|set|by|returning|where|values|from|join|using)\b")
_READ = re.compile(
    r"(?:\b(?:from|join|update|using) (?:only )?|(?P<comma>, ))(?P<table>[a-z_]\w*)\b"
    rf"(?:(?: as)? (?!(?:{_NO_ALIAS})\b)(?P<alias>[a-z_]\w*))?"
)
_SET = re.compile(
    r"\b(?:update (?:only )?(?P<table>\w+)(?: (?:as )?\w+)??|do update) set (?P<list>.*?)"
    r"(?=(?<!distinct) from | where | returning |$)"
)


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement and where it stands: ``outbox.door`` for a query, ``0004_messages 3`` for the third of a migration."""

    name: str
    sql: str

    @property
    def bare(self) -> str:
        """Without comments and without what is quoted, in small letters, with single spaces."""
        quiet = _NOISE.sub(lambda noise: "''" if noise[0].startswith("'") else " ", self.sql)
        return re.sub(r" ?, ?", ", ", " ".join(quiet.lower().split()))

    @property
    def groups(self) -> list[str]:
        """What each pair of parentheses holds, inner ones as ``(#n)`` with n their place in this list; the whole is last."""
        found: list[str] = []
        unfinished = [""]
        for piece in re.split(r"([()])", self.bare):
            if piece == "(":
                unfinished.append("")
            elif piece == ")":
                found.append(unfinished.pop().strip())
                unfinished[-1] += f"(#{len(found) - 1})"
            else:
                unfinished[-1] += piece
        return [*found, unfinished[0].strip()]

    @property
    def branches(self) -> list[str]:
        """The groups, with both sides of a union apart."""
        return [
            branch
            for group in self.groups
            for branch in re.split(r" ?\b(?:union(?: all)?|intersect|except)\b ?", group)
        ]

    def items(self, place: str) -> list[str]:
        """What stands between the commas of group ``place``."""
        return self.groups[int(place)].split(", ")


def tables_read(branch: str) -> list[tuple[str, str]]:
    """Tables and CTEs whose rows a branch reads, changes or deletes, each with the name that it goes by there."""
    found = []
    for read in _READ.finditer(branch):
        clause = _CLAUSE.findall(branch, 0, read.start())
        if not read["comma"] or (clause and clause[-1] in {"from", "join", "using"}):
            found.append((read["table"], read["alias"] or read["table"]))
    return found


def columns_set(statement: Statement) -> Iterator[tuple[str, str]]:
    """Every (table, column) that ``update`` or ``on conflict do update`` gives a value."""
    for group in statement.groups:
        into = re.search(r"\binsert into (\w+)", group)
        for change in _SET.finditer(group):
            table = change["table"] or (into[1] if into else "?")
            for item in re.sub(r"^\(#\d+\)", "?", change["list"]).split(", "):
                yield table, item.split(" = ")[0].strip()


@dataclass(frozen=True, slots=True)
class SqlRule:
    """Something that every statement must keep. ``exempt`` names statements that need not, each with its reason."""

    name: str
    reason: str
    broken: Callable[[Statement], Iterable[str]]
    bad: Sequence[str]
    good: Sequence[str] = ()
    exempt: Mapping[str, str] = field(default_factory=dict)

    def findings(self, statements: Iterable[Statement]) -> list[str]:
        """Every breach, as ``name: what``."""
        bound = (statement for statement in statements if statement.name not in self.exempt)
        return [f"{statement.name}: {found}" for statement in bound for found in self.broken(statement)]


def query_statements() -> list[Statement]:
    """Every statement of ``sql/queries``."""
    return [
        Statement(f"{module}.{name}", sql) for module in queries.modules() for name, sql in queries.load(module).items()
    ]


def migration_statements() -> list[Statement]:
    """Every statement of ``sql/migrations``; quotes and comments are gone, since a semicolon may be in them."""
    return [
        Statement(f"{migration.name} {n}", text.strip())
        for migration in migrate.migrations()
        for n, text in enumerate(Statement(migration.name, migration.sql).bare.split(";"), start=1)
        if text.strip()
    ]
