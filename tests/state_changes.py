"""Every change of state that the SQL files can make, and the event that tells of it: (table, column, from, to, statement, event).

Read out of the text of the statements, as far as it is the plain SQL that they are written in; what is not understood is an
error, never passed over. ``lives`` says which columns are states, and what may become of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tests.lives import GIVEN, LIVES, Life, Move
from tests.sql_source import Statement, tables_read

_COMMENT = re.compile(r"--[^\n]*")
_WORD = re.compile(r"'([\w.]*)'(?:::\w+)?")
_CTE = re.compile(r"(\w+) as (?:materialized )?\(#(\d+)\)")
_BRANCH = re.compile(r"\b(?:then|else) (.+?)(?= when | else | end\b)")
_PARAMETER = re.compile(r"\$\d+(?:::\w+)?")
_COLUMN = re.compile(r"(\w+)\.(\w+)")


class NotUnderstood(Exception):
    """The statement is written in a way that this file cannot read: teach it, do not pass the statement over."""


@dataclass(frozen=True, slots=True)
class Change:
    """A row of the enumeration. ``event`` None: the statement writes none for it."""

    table: str
    column: str
    move: Move
    statement: str
    event: str | None


@dataclass(frozen=True, slots=True)
class _Part:
    """A CTE, or what follows them all (no name)."""

    name: str
    text: str


class _Read:
    """A statement taken apart into its parts. Words in quotes are kept, as ``"word"``."""

    def __init__(self, statement: Statement) -> None:
        self.name = statement.name
        spoken = replace(statement, sql=_WORD.sub(r'"\1"', _COMMENT.sub(" ", statement.sql)))
        self.groups = spoken.groups
        whole = self.groups[-1]
        self.parts = [_Part(match[1], self.groups[int(match[2])]) for match in _CTE.finditer(whole)]
        self.parts.append(_Part("", _CTE.sub("", whole) if self.parts else whole))

    def part(self, name: str) -> _Part | None:
        return next((part for part in self.parts if part.name == name), None)

    def items(self, place: str) -> list[str]:
        return self.groups[int(place)].split(", ")

    def inserted(self, part: _Part, table: str) -> list[dict[str, str]]:
        """What an insert gives each column, once for each side of a union."""
        found = re.search(rf"\binsert into {table}(?: as \w+)? ?\(#(\d+)\) ?(.*)", part.text)
        if not found:
            return []
        columns, rest = self.items(found[1]), found[2]
        if values := re.match(r"values ?\(#(\d+)\)", rest):
            return [dict(zip(columns, self.items(values[1]), strict=True))]
        sides = re.split(r" union all ", re.split(r" on conflict ", rest)[0])
        return [dict(zip(columns, _selected(side), strict=True)) for side in sides]

    def updated(self, part: _Part, table: str) -> tuple[str, str] | None:
        """What an update sets, as text, and for which rows; None = it is no update of the table."""
        found = re.search(
            rf"\bupdate {table}(?: \w+)? set (.*?)(?:(?<!distinct) from (.*?))?(?: where (.*))?$", part.text
        )
        return (re.split(" returning ", found[1])[0], found[3] or "") if found else None

    def sources(self, text: str) -> dict[str, str]:
        """The names by which parts are read in a text."""
        names = {part.name for part in self.parts}
        return {alias: table for table, alias in tables_read(text) if table in names}

    def meant(self, text: str, said: str) -> str | None:
        """The expression that a column of a part stands for, where it is made; None = whatever the statement is given."""
        column = _COLUMN.fullmatch(said)
        if column is None:
            return None if _PARAMETER.fullmatch(said) else said
        alias, name = column[1], column[2]
        source = self.part(self.sources(text).get(alias, ""))
        if source is None or not source.name:
            if re.search(rf"\bunnest ?\(#\d+\) ?as {alias} ?\(#\d+\)|\bupdate {alias} set", text):
                return None
            raise NotUnderstood(f"{self.name}: {said}")
        for item in _selected(source.text):
            if re.search(rf"(?:^| as |\.){name}$", item):
                return self.meant(source.text, re.sub(rf" as {name}$", "", item))
        raise NotUnderstood(f"{self.name}: {said}")

    def words(self, text: str, said: str) -> frozenset[str] | None:
        """The words that an expression may stand for; None = whatever it is given. Null is no word."""
        meant = self.meant(text, said.strip())
        if meant is None:
            return None
        if meant.startswith('"') or meant in ("true", "false"):
            return frozenset({meant.strip('"')})
        if meant == "null":
            return frozenset()
        branches = [branch for branch in _BRANCH.findall(f"{meant} ") if branch != "case"]
        if not meant.startswith("case ") or not branches:
            raise NotUnderstood(f"{self.name}: {meant}")
        given = [branch for branch in branches if not branch.startswith('"') and branch != "null"]
        return None if given else frozenset(branch.strip('"') for branch in branches if branch != "null")

    def asks(self, text: str, said: str, column: str, word: str) -> list[str]:
        """What a case asks the column to be before it says this word, as conditions."""
        meant = self.meant(text, said.strip()) or ""
        whens = re.findall(r'\bwhen ((?:(?!\bwhen |\bthen ).)+) then "(\w+)"', meant)
        return [condition for condition, then in whens if then == word and f'.{column} = "' in condition]


def _selected(text: str) -> list[str]:
    """What a select or a returning lists."""
    returning = re.search(r"\breturning (.*)$", text)
    listed = returning or re.search(r"\bselect (?:distinct )?(.*?)(?:(?<!distinct) from .*)?$", text)
    if listed is None:
        raise NotUnderstood(text)
    return [item.strip() for item in listed[1].split(", ")]


def changes(statements: Sequence[Statement]) -> list[Change]:
    """Every change that these statements can make."""
    return [change for statement in statements for change in _changes(_Read(statement))]


def _changes(read: _Read) -> Iterator[Change]:
    for part in read.parts:
        for (table, column), life in LIVES.items():
            for move in _moves(read, part, table, column, life):
                yield Change(table, column, move, read.name, _event(read, part, table, column, move))


def _moves(read: _Read, part: _Part, table: str, column: str, life: Life) -> Iterator[Move]:
    given = GIVEN.get((read.name, table, column))
    for row in read.inserted(part, table):
        is_said = column in row and not column.endswith(
            "_at"
        )  # a row that is new has not this time yet, or is all there is
        born = read.words(part.text, row[column]) if is_said else frozenset({life.unsaid})
        yield from ((None, after) for after in _sure(read, table, column, born, given))
        if re.search(rf"\bdo update set (?:.*, )?{column} = ", part.text):
            for after in _sure(read, table, column, born, given):
                yield from ((before, after) for before in life.before(after) if before)
    if updated := read.updated(part, table):
        yield from _updated(read, part, (table, column), life, updated)
    if life.ends and re.search(rf"\bdelete from {table}\b", part.text):
        yield from ((before, None) for before in sorted(life.words))


def _updated(read: _Read, part: _Part, whose: tuple[str, str], life: Life, updated: tuple[str, str]) -> Iterator[Move]:
    table, column = whose
    said = re.search(rf"(?:^|, ){column} = (.*?)(?=, \w+ = |$)", updated[0])
    if said is None:
        return
    found = frozenset({life.stamped}) if life.stamped else read.words(part.text, said[1])
    for after in _sure(read, table, column, found, GIVEN.get((read.name, table, column))):
        wheres = [updated[1], *read.asks(part.text, said[1], column, after)]
        asked = [words for where in wheres for words in _asked(read, where, column)]
        befores = life.words.intersection(*asked) if asked else {word for word in life.before(after) if word}
        yield from ((before, after) for before in sorted(befores) or ["nothing"] if before != after)


def _sure(
    read: _Read, table: str, column: str, words: frozenset[str] | None, given: frozenset[str] | None
) -> list[str]:
    if words is None and given is None:
        raise NotUnderstood(
            f"{read.name}: {table}.{column} is whatever it is given, and lives.GIVEN does not say what that is"
        )
    return sorted(words if words is not None else given or ())


def _asked(read: _Read, where: str, column: str) -> list[set[str]]:
    """The words that a ``where`` asks a column to be; what it asks in another way may be any."""
    found = re.findall(rf'\b{column} (?:= "(\w+)"|in \(#(\d+)\))', where)
    return [{item.strip('"') for item in (read.items(place) if place else [word])} for word, place in found]


def _event(read: _Read, changing: _Part, table: str, column: str, move: Move) -> str | None:
    """The event that the statement writes for a change: out of the rows that were changed, else what those were made of."""
    for hangs in (_reads_it, _goes_with_it):
        for part in read.parts:
            for row in read.inserted(part, "event"):
                side = _side(part, row)
                if hangs(read, changing, side) and not _left_out(side, move):
                    return _evaluated(read, row["type"], table, column, move)
    return None


def _side(part: _Part, row: dict[str, str]) -> str:
    """The side of a union that a row stands for."""
    sides = part.text.split(" union all ")
    return next((side for side in sides if all(said in side for said in row.values())), part.text)


def _reads_it(read: _Read, changing: _Part, side: str) -> bool:
    return bool(changing.name) and changing.name in read.sources(side).values()


def _goes_with_it(read: _Read, changing: _Part, side: str) -> bool:
    """Does the event come with the change and only then? Both read the same rows, and the change keeps none of them out: it is a
    plain insert, or hangs on another change in the same way."""
    if "on conflict" in changing.text:
        return False
    told, plain = set(read.sources(side).values()), "insert into " in changing.text
    shared = set(read.sources(changing.text).values())
    return any(
        name in told and (plain or _is_change(read, name)) for one in shared for name in (one, *_behind(read, one))
    )


def _behind(read: _Read, name: str) -> list[str]:
    part = read.part(name)
    return list(read.sources(part.text).values()) if part else []


def _is_change(read: _Read, name: str) -> bool:
    part = read.part(name)
    return part is not None and re.search(r"\b(?:insert into|update|delete from) \w+", part.text) is not None


def _left_out(side: str, move: Move) -> bool:
    """Whether the event's own ``where`` leaves this change out."""
    return f'<> "{move[1]}"' in side


def _evaluated(read: _Read, said: str, table: str, column: str, move: Move) -> str | None:
    """What an expression for an event's type says of a move: column and parameter stand for what the row becomes."""
    after = move[1] or ""
    if said.startswith("case "):
        return _evaluated(read, _chosen(said, after), table, column, move)
    words = []
    for piece in said.split(" || "):
        if piece.startswith('"'):
            words.append(piece.strip('"'))
        elif _PARAMETER.fullmatch(piece) or _COLUMN.fullmatch(piece):
            words.append(after)
        else:
            raise NotUnderstood(f"{read.name}: an event of type {said}")
    return "".join(words) or None


def _chosen(said: str, after: str) -> str:
    """The branch of a case that a word takes; a plain condition is one on a truth."""
    for asked, then in re.findall(r"when (.+?) then (.+?)(?= when | else | end\b)", f"{said} "):
        if after in (asked.strip('"'), "true"):
            return str(then)
    otherwise = re.search(r" else (.+?) end\b", f"{said} ")
    return otherwise[1] if otherwise else "null"
