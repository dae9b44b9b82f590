"""Python files as text and tree, for the rules that are checked by reading the code rather than by running it.

Here is what the rules are made of: a source, what it imports, and what a rule is. The rules themselves are tables in the
tests. Nothing here imports a module that it looks at, so a broken one is still read.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Source:
    """A Python file: its path from the root of the repository, with slashes, and its text."""

    path: str
    text: str

    @property
    def tree(self) -> ast.Module:
        return _parsed(self.text)

    def lies_in(self, *patterns: str) -> bool:
        """Does one of these patterns match its path? A star matches slashes too."""
        return any(fnmatch(self.path, pattern) for pattern in patterns)


@dataclass(frozen=True, slots=True)
class Import:
    """One imported name in full, ``relay.core.ids.public`` for ``from relay.core.ids import public``."""

    name: str
    line: int

    def is_within(self, *modules: str) -> bool:
        """Is it one of these modules, or something in one of them?"""
        return any(self.name == module or self.name.startswith(f"{module}.") for module in modules)


@dataclass(frozen=True, slots=True)
class Rule:
    """Something that every source must keep. ``broken`` finds what does not, ``bad`` are sources that it must find."""

    name: str
    reason: str
    broken: Callable[[Source], Iterable[str]]
    bad: Sequence[Source]
    good: Sequence[Source] = ()

    def findings(self, sources: Iterable[Source]) -> list[str]:
        """Every breach, as ``path:line what``."""
        return [f"{source.path}:{found}" for source in sources for found in self.broken(source)]


def sources(folder: str) -> list[Source]:
    """Every Python file below a folder of the repository, in order."""
    paths = sorted((ROOT / folder).rglob("*.py"))
    return [Source(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) for path in paths]


def at(path: str, *texts: str) -> list[Source]:
    """Sources of these texts, all lying there: what a rule is proven with."""
    return [Source(path, text) for text in texts]


def imports(source: Source) -> Iterator[Import]:
    """Everything that a source imports, wherever it stands: in functions and under ``TYPE_CHECKING`` too."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(source, node)
            yield from (Import(f"{base}.{alias.name}", node.lineno) for alias in node.names)


def _absolute(source: Source, node: ast.ImportFrom) -> str:
    """The module that ``from ... import`` names; a leading dot is the folder of the file."""
    if not node.level:
        return node.module or ""
    folder = PurePosixPath(source.path).parent.parts
    kept = folder[: len(folder) - node.level + 1]
    return ".".join([*kept, *([node.module] if node.module else [])])


@cache
def _parsed(text: str) -> ast.Module:
    return ast.parse(text)
