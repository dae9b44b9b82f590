"""One table of ratios, on the terminal, as JSON, as a page and as a picture."""

from __future__ import annotations

import html
import json
import math
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.bench.runs import Result

ROOT = Path(__file__).resolve().parents[2]
RECORD, PICTURE = ROOT / "docs" / "performance.json", ROOT / "docs" / "performance.svg"
PAGE = ROOT / "docs" / "performance.md"
#: Below this share of pgbench's rate the naive build was held back by something else than itself, and flatters us.
FAIR = 0.045
_BAR, _ROW = 460, 26


def facts(results: Sequence[Result]) -> dict[str, Any]:
    """Everything worth keeping of one run of the benchmark."""
    rates = {result.name: result.rate for result in results}
    naive, alone = rates.get("naive async", math.nan), rates.get("pgbench, one by one", math.nan)
    return {
        "at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _commit(),
        "machine": f"{_processors()} cores, Python {platform.python_version()}",
        "fair": None if math.isnan(naive / alone) else naive / alone >= FAIR,
        "rows": [
            {
                "name": result.name,
                "rate": round(result.rate, 1),
                "rounds": [round(rate, 1) for rate in result.rates],
                "to naive": _ratio(result.rate, naive),
                "to pgbench": _ratio(result.rate, alone),
                "notes": result.notes,
                "broken": result.broken,
                "commit": _commit(),
            }
            for result in results
        ],
    }


def _ratio(one: float, other: float) -> float | None:
    return None if math.isnan(one / other) else round(one / other, 3)


def lines(told: Mapping[str, Any]) -> list[str]:
    """The table for a terminal."""
    found = [f"{'':34} {'texts/s':>9} {'to naive':>9} {'to pgbench':>11}"]
    for row in told["rows"]:
        ratios = [f"{row[name]:.2f}" if row[name] is not None else "-" for name in ("to naive", "to pgbench")]
        found.append(f"{row['name']:34} {row['rate']:9,.0f} {ratios[0]:>9} {ratios[1]:>11}")
        found += [f"    {what}: {said}" for what, said in row["notes"].items()]
        found += [f"    BROKEN {promise}" for promise in row["broken"]]
    if told["fair"] is False:
        found.append(f"VOID: the naive build reached less than {FAIR} of pgbench: something else slowed it down")
    return found


def record(told: Mapping[str, Any], *, growth: bool) -> None:
    """Keep the figures, draw the picture, and put the table on the page. Rows of ``growth`` come beside earlier ones."""
    known = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    name = "growth" if growth else "core"
    if growth:
        new = {row["name"] for row in told["rows"]}
        told = {
            **told,
            "rows": [*(r for r in known.get(name, {}).get("rows", []) if r["name"] not in new), *told["rows"]],
        }
    else:
        PICTURE.write_text(picture(told))
    RECORD.write_text(json.dumps({**known, name: told}, indent=1, sort_keys=True) + "\n")
    start, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, _, rest = PAGE.read_text().partition(start)
    shown = _sizes(told) if growth else _markdown(told)
    PAGE.write_text(f"{before}{start}\n{shown}\n{end}{rest.partition(end)[2]}")


def _markdown(told: Mapping[str, Any]) -> str:
    rows = ["| build | texts/s | to naive | to pgbench | |", "|---|---|---|---|---|"]
    for row in told["rows"]:
        ratios = [f"{row[name]:.2f}" if row[name] is not None else "" for name in ("to naive", "to pgbench")]
        notes = [f"{what}: {said}" for what, said in row["notes"].items()] + [f"**{p}**" for p in row["broken"]]
        rows.append(f"| {row['name']} | {row['rate']:,.0f} | {' | '.join(ratios)} | {'; '.join(notes)} |")
    fair = "" if told["fair"] is not False else " **Void: the naive build was held back by something else.**"
    return f"{told['at']}, commit {told['commit']}, {told['machine']}.{fair}\n\n" + "\n".join(rows)


def _sizes(told: Mapping[str, Any]) -> str:
    rows = [f"{told['machine']}.", "", "| what | a second | | commit |", "|---|---|---|---|"]
    for row in told["rows"]:
        notes = [f"{what}: {said}" for what, said in row["notes"].items()] + [f"**{p}**" for p in row["broken"]]
        rows.append(f"| {row['name']} | {row['rate']:,.0f} | {'; '.join(notes)} | {row['commit']} |")
    return "\n".join(rows)


def picture(told: Mapping[str, Any]) -> str:
    """Bars of texts a second, drawn to one scale; rows at a given rate have none, for they show no speed."""
    rows = [row for row in told["rows"] if "steady" not in row["name"] and "burst" not in row["name"]]
    longest = max((row["rate"] for row in rows), default=1.0)
    height = _ROW * len(rows) + 50
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 820 {height}" font-family="sans-serif" font-size="13">',
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="10" y="22" fill="#222">Texts a second, {html.escape(told["machine"])}, {told["commit"]}</text>',
    ]
    for n, row in enumerate(rows):
        y, width = 50 + n * _ROW, max(1.0, row["rate"] / longest * _BAR)
        colour = "#2b6cb0" if row["name"].startswith("relay") else "#a0aec0"
        parts.append(f'<text x="230" y="{y}" text-anchor="end" fill="#222">{html.escape(row["name"])}</text>')
        parts.append(f'<rect x="240" y="{y - 13}" width="{width:.0f}" height="17" fill="{colour}"/>')
        parts.append(f'<text x="{250 + width:.0f}" y="{y}" fill="#222">{row["rate"]:,.0f}</text>')
    return "\n".join([*parts, "</svg>\n"])


def _commit() -> str:
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
