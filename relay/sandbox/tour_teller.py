"""How the tour is told in a terminal: numbered acts, a sentence or two, what the handsets showed, what held.

Colours and bold on a terminal, the same words without them anywhere else. No fact of the story is in here.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping

from rich.console import Console
from rich.text import Text

from relay.sandbox.demo import spaced
from relay.sandbox.tour_stage import Line

_WIDTH = 96
_INDENT = "   "
_ARROWS = {"out": "writes to", "in": "reads from"}


class Teller:
    """Tells to a console."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._act = 0

    def title(self, words: str, below: str) -> None:
        self._print(Text(words, style="bold"))
        self._print(Text(below, style="dim"))

    def act(self, title: str, words: str) -> None:
        """Begin an act."""
        self._act += 1
        self._print(Text(""))
        self._print(Text.assemble((f"{self._act:>2} ", "bold cyan"), (title, "bold")))
        self.say(words)

    def say(self, words: str) -> None:
        """Sentences, wrapped."""
        for line in textwrap.wrap(words, _WIDTH - len(_INDENT)):
            self._print(Text(_INDENT + line))

    def lines(self, lines: Iterable[Line]) -> None:
        """What handsets showed, in the order of time."""
        for line in sorted(lines, key=lambda line: (line.at, line.direction == "in")):
            mine = line.direction == "out"
            who = (f"{_INDENT}  {line.person.name:<6}", "bold cyan" if mine else "bold magenta")
            what = (f"{_ARROWS[line.direction]:<10} {spaced(line.peer):<18}  ", "dim")
            self._print(Text.assemble(who, what, line.text))

    def table(self, rows: Mapping[str, str]) -> None:
        """Names with something each."""
        widest = max(map(len, rows))
        for name, value in rows.items():
            self._print(Text.assemble((f"{_INDENT}  {name:<{widest}}  ", "dim"), value))

    def held(self, fact: str) -> None:
        """Something that was expected and was so."""
        first, *rest = textwrap.wrap(fact, _WIDTH - len(_INDENT) - 2)
        self._print(Text.assemble((f"{_INDENT}✓ ", "green"), first))
        for line in rest:
            self._print(Text(f"{_INDENT}  {line}"))

    def end(self, words: str) -> None:
        self._print(Text(""))
        self._print(Text(words, style="bold green"))

    def fail(self, words: str) -> None:
        """The story went otherwise."""
        self._print(Text(""))
        self._print(Text(f"It went otherwise. {words}", style="bold red"))

    def _print(self, text: Text) -> None:
        self._console.print(text, soft_wrap=True)
