"""What a run has shown, and the page that tells it: ``docs/reliability.md`` is made from the last outcome of each run."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RECORD = ROOT / "docs" / "reliability.json"
PAGE = ROOT / "docs" / "reliability.md"


@dataclass(slots=True)
class Outcome:
    """``figures`` in one line; ``wrong`` is empty when every promise held. ``counts`` of parts of one run add up."""

    figures: str
    wrong: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


def record(name: str, outcome: Outcome) -> None:
    """Keep an outcome with its date and commit, and write the page anew. What was wrong is kept as well."""
    known = recorded()
    known[name] = {
        "at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _commit(),
        "figures": outcome.figures,
        "wrong": outcome.wrong,
    }
    if name in IN_PARTS:
        known[name] |= _added_up(recorded().get(name, {}), outcome)
    RECORD.write_text(json.dumps(known, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
    PAGE.write_text(page(known))


def recorded() -> dict[str, dict[str, Any]]:
    """The last outcome of each run."""
    known: dict[str, dict[str, Any]] = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    return known


def _added_up(before: dict[str, Any], outcome: Outcome) -> dict[str, Any]:
    """With the parts that were run before; a complaint stays until somebody takes it out."""
    then: dict[str, int] = before.get("counts", {})
    counts = {name: then.get(name, 0) + count for name, count in {**outcome.counts, "parts": 1}.items()}
    figures = f"{counts['texts']:,} texts and {counts['kills']:,} kills so far, in {counts['parts']} parts"
    return {"counts": counts, "figures": figures, "wrong": [*before.get("wrong", []), *outcome.wrong]}


def _commit() -> str:
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"


def page(known: dict[str, dict[str, Any]]) -> str:
    """The page for these outcomes."""
    rows = [f"| {promise} | {kept} | `{checks}` |" for promise, kept, checks in PROMISES]
    runs = [_row(name, command, known.get(name)) for name, command in RUNS.items()]
    return _TEXT.format(promises="\n".join(rows), runs="\n".join(runs))


def _row(name: str, command: str, known: dict[str, Any] | None) -> str:
    if known is None:
        return f"| {name} | `{command}` | not run yet | |"
    wrong = known["wrong"]
    held = "every promise held" if not wrong else f"**{len(wrong)} complaints**: {'; '.join(wrong)}"
    return f"| {name} | `{command}` | {known['figures']}; {held} | {known['at']}, {known['commit']} |"


PROMISES = (
    (
        "I1: a text that was answered 2xx is never lost",
        "one transaction holds the provider's id, the message, its sealed text and its event; 2xx comes after the commit",
        "checker.i1, cut",
    ),
    ("I2: every text ends, or is parked with a deadline", "upkeep in every bucket", "checker.i2"),
    (
        "I3: no second send while the first may have been accepted",
        "the attempt is committed before the socket is touched; leases fence; nothing is sent again on a guess",
        "checker.i3",
    ),
    (
        "I4: to the other participant of the session that was open, from the number that this person knows",
        "decided once, under lock, when the text arrives; sealed values open in their own row only",
        "checker.i4",
    ),
    (
        "I5: no phone and no text where it must not be",
        "sealed at once; logs let declared fields through only",
        "checker.i5",
    ),
    ("I6: order within a leg", "only the head of a leg may leave", "checker.i6"),
    ("I7: nothing begins after a close was acknowledged", "the guarded door locks the session's row", "checker.i7"),
    ("I8: a number and a person belong to one open session", "primary key", "checker.i8"),
    ("I9: a cooling binding goes to the same two people only", "the statement that takes it", "checker.i9"),
    ("I10: late texts go nowhere; automatic answers at most once a day", "routing; one row per answer", "checker.i10"),
    ("I11: copies of a webhook are one message", "the provider's id, as a keyed hash, is a primary key", "checker.i11"),
    (
        "I12: receipts are matched and only move forward",
        "a token of ours in the address; legal moves in SQL",
        "checker.i12",
    ),
    (
        "I13: one event for each change of state, and each once in the audit log",
        "written by the statement that changes it; sealed by its missing mark, under the tree's row",
        "checker.i13",
    ),
    (
        "I14: nothing begins after STOP was acknowledged",
        "the person's row, locked by open, ingest and door",
        "checker.i14",
    ),
    ("I15: only the database's clock counts", "one time per transaction; processes ten minutes wrong", "checker.i15"),
    (
        "I16: what a hook is asked about leaves on its word, or as its pool says without one",
        "the guarded door asks for it",
        "checker.i16",
    ),
    (
        "I17: every event is told to every webhook that takes it, or still waits; signed, always the same, counted without a gap",
        "found by its missing mark; posted before it is marked",
        "checker.i17",
    ),
)

#: Runs that are too long for one sitting: their parts are added up.
IN_PARTS = frozenset({"crashes, long"})

RUNS = {
    "crashes": "python -m tests.campaign",
    "crashes, long": "python -m tests.campaign --full",
    "selftest": "python -m tests.campaign --selftest",
    "cut": "python -m tests.campaign --scene cut",
    "swallowed": "python -m tests.campaign --scene swallowed",
    "load": "python -m tests.campaign --scene load",
    "burst": "python -m tests.campaign --scene burst",
    "outage": "python -m tests.campaign --scene outage",
    "failover": "python -m tests.campaign --scene failover",
    "disk": "python -m tests.campaign --scene disk",
}

_TEXT = """# Reliability

What Relay promises, how it is kept, and what the last runs against it have shown. This page is written by the campaign
(`python -m tests.campaign ... --record`); a test holds it and its figures together.

> If we answered 2xx to the carrier, the text is durable. It ends **accepted** by the carrier, **refused** or **expired** (with a
> reason), or it stands **parked** (with a reason and a button) for you to see. We never start a second send while the first may
> have been accepted, unless you chose to prefer duplicates. It never goes to anybody but the other person of the session that
> was open when it arrived.

## The promises

| promise | how it is kept | checked by |
|---|---|---|
{promises}

The checks read what can be seen from outside: what people said and when it was acknowledged, what the marketplace asked for
and was told, the carrier's own ledger, and every message as the API shows it in the end. Of I13,
how often each thing happened is asked of the database; the log is read over the API, and its tree computed anew. Of I16 and
I17, what was asked and told is what the marketplace's own server heard; what there was to tell is asked of the database.
`tests/campaign/checker.py` has one function for each.

## The runs

Real processes: PostgreSQL of its own, the simulated carrier, two `relay serve` and one `relay worker` behind one port, their
wall clocks ten minutes apart. Everything is started again as soon as it has died. Beside them, and never killed, stands the
marketplace's own server, with three webhooks and the hooks of two pools of ten. `--full` makes a run as long as its goal says.

| run | command | last seen | when, commit |
|---|---|---|---|
{runs}

- **crashes**: processes are killed at 37 named points (`tests/campaign/child.py`) and at random, stopped for longer than
  their leases last, stalled, ended in order; PostgreSQL is killed, stopped at once and away for seconds, drops all
  connections, has its tables locked; migrations run; webhooks come fifty times at once or forged; the carrier swallows
  and garbles answers, is slow, throttles, fails, doubles, reorders and drops receipts, lists nothing. Each at least once. Of the
  webhooks one works, one fails three times in ten, one never answers; hooks allow, refuse, say nothing and say nonsense, and the
  server that has them all is away once.
- **selftest**: twenty-two bugs are planted, one by one; each must be caught by a promise that it breaks, and a run without any
  must be clean.
- **cut**: the connection to PostgreSQL breaks in front of every single protocol message of a scenario, once for a process
  that lives on and once for one that is gone.
- **swallowed**: five in a hundred accepted sends are never answered, with and without receipts, under both policies.
- **crashes, long**: the same, with kills less often, in parts of 100,000 texts.
- **load**, **burst**: more texts than usual, over 1,000 numbers with their pace kept.
- **outage**: texts wait, PostgreSQL dies, comes back, and the queue has to go.
- **failover**: the primary is lost under load and its synchronous replica promoted.
- **disk**: PostgreSQL's disk is full for five seconds.

## What they have found

Runs that find nothing teach nothing. The long ones have found these, all mended since, each with a test of its own:

- With 10,000 texts waiting, sending slowed down to six a second and never recovered: a plan made over an empty table
  ([decision 12](decisions/0012-plans-that-do-not-depend-on-the-moment.md)).
- A process that was stopped for longer than its lease, between its look at the lease and its first byte, wrote that byte
  afterwards, and so out of order: three texts of 380,000. Now the clock is looked at directly before the byte.
- A text that was believed ambiguous turned out never to have left, and was sent after those that were written later: one of
  100,000. Now it stays ambiguous where its leg has gone on.
- The same again, between another process's look at a later text and its door: one of 950,000 texts, in nine parts of the long
  campaign with 1,678 kills; the other eight were clean. Now such a text comes back only where nothing later of its leg waits
  or has left, with its session locked. The long row above counts from there on.
- A text that may have left, was queued again on request of its account, and was then stopped by a close or a STOP was said to be
  refused: one of 825, in one run of two. Now it is parked: a late receipt may still tell.

## Named limits

- A carrier that gives up calling us before we are back has not been answered, and its text is not with us. Twilio calls twice
  by default: raise its retry count.
- A process that is stopped after it has looked at the clock for the last time and before its first byte can write that byte
  late. Between the two lies neither a wait nor a turn of the event loop.
- More texts than can be taken in are refused (503) once some have waited four seconds: carriers hang up after ten or fifteen.
- Receipts are not repeated by Twilio: one that comes while nobody listens is lost, and the message stays `accepted`.
- A sender's number can be spoofed where the phone network lets it be.
- With `on_ambiguous: resend` a text may arrive twice, and later than one that was written after it: that is what was asked for.
- `synchronous_standby_names` decides whether a failover can forget: without it the replica may lack the last commits.
"""
