"""The table in ``docs/privacy.md`` is made from the data classes: ``python -m tests.privacy_page`` writes it anew."""

from __future__ import annotations

from pathlib import Path

from relay.core.data_rules import RULES

PAGE = Path(__file__).resolve().parents[1] / "docs" / "privacy.md"
_BEGIN, _END = "<!-- made from relay/core/data_rules.py -->", "<!-- until here -->"


def page(text: str) -> str:
    """The page with its table made anew. Raises ValueError when the marks are not there."""
    before, _, rest = text.partition(_BEGIN)
    _, found, after = rest.partition(_END)
    if not found:
        raise ValueError(f"{PAGE.name} has lost the marks between which its table stands")
    return f"{before}{_BEGIN}\n\n{table()}\n\n{_END}{after}"


def table() -> str:
    """One line for each class of data."""
    head = ["| class | what | about whom | why | until | protection | tables |", "|---|---|---|---|---|---|---|"]
    lines = [
        f"| {name} | {r.what} | {r.people} | {r.purpose} | {r.until} | {r.sealed_by} | {', '.join(r.columns)} |"
        for name, r in RULES.items()
    ]
    return "\n".join([*head, *lines])


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
