"""What a check of a log found, as lines for a person. Every wrong thing is named with its file and line; of many the first."""

from __future__ import annotations

from dataclasses import dataclass, field

#: Wrong things of one check that are named; the rest are counted.
_MOST_NAMED = 20


@dataclass(slots=True)
class Check:
    """One thing that was looked at. ``said``: in a few words what was found to be right, or why it was not looked at."""

    name: str
    said: str = ""
    wrong: list[str] = field(default_factory=list)
    count: int = 0
    left_out: bool = False

    def fails(self, what: str) -> None:
        """Note a wrong thing: ``file:line what``."""
        self.count += 1
        if len(self.wrong) < _MOST_NAMED:
            self.wrong.append(what)

    def leave_out(self, why: str) -> None:
        """Say why this could not be looked at. The whole does not hold then."""
        self.left_out, self.said = True, why

    def lines(self) -> list[str]:
        if self.left_out:
            return [f"FAIL  {self.name}: not checked, {self.said}"]
        if not self.count:
            return [f"ok    {self.name}: {self.said}"]
        more = self.count - len(self.wrong)
        return [*(f"FAIL  {self.name}: {what}" for what in self.wrong), *([f"      and {more} more"] if more else [])]


@dataclass(slots=True)
class Report:
    """All that was looked at, in order. ``entries``: how many entries were hashed."""

    checks: list[Check] = field(default_factory=list)
    entries: int = 0

    def check(self, name: str) -> Check:
        """Begin with another thing."""
        self.checks.append(Check(name))
        return self.checks[-1]

    @property
    def holds(self) -> bool:
        return bool(self.checks) and not any(check.count or check.left_out for check in self.checks)

    def lines(self) -> list[str]:
        return [line for check in self.checks for line in check.lines()]
