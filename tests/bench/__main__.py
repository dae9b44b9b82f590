"""``python -m tests.bench``: how fast this version is here, as ratios to other builds measured in the same run.

``--short`` takes a minute and asserts no time; without it, about ten. Both fail when a promise was broken while they measured.
``--full`` shows what growth and memory cost, and takes up to an hour.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from tests.bench import growth, table
from tests.bench.place import NUMBER_RATE
from tests.bench.runs import CORE, SHORT, core
from tests.bench.talks import NUMBERS, POOLS


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--full", action="store_true", help="growth and memory instead")
    parser.add_argument("--only", nargs="+", choices=list(growth.RUNS), help="with --full: these alone")
    parser.add_argument("--record", action="store_true", help="keep the figures in docs/")
    chosen = parser.parse_args()
    began = time.monotonic()

    def told(step: str) -> None:
        print(f"[{time.monotonic() - began:4.0f} s] {step}", flush=True)

    print(
        f"{NUMBERS} numbers of {NUMBER_RATE:.0f} segments/s in {POOLS} pools, pacing on, everything sealed, receipts on",
        flush=True,
    )
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        if chosen.full:
            results = uvloop.run(growth.growth(Path(folder), told, chosen.only or list(growth.RUNS)))
        else:
            results = uvloop.run(core(Path(folder), SHORT if chosen.short else CORE, told))
    seen = table.facts(results)
    print("\n".join(table.lines(seen)))
    if chosen.record:
        table.record(seen, growth=chosen.full)
    sys.exit(1 if any(row["broken"] for row in seen["rows"] if row["name"].startswith("relay")) else 0)


main()
