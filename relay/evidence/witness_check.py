"""Whether the head that witnesses have signed is the beginning of a log, in a pack or as it is served.

The log's own signature under it is not asked for: the leaves lead to a head that a trusted key has signed, and what they had
as their root at the witnesses' size is hashed anew. So an old head is good evidence when the key that signed it is long gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from relay.core import pack
from relay.core.errors import EvidenceRefused
from relay.core.notes import Checkpoint, Note, NoteKey, Proven, Verify, parse_checkpoint, parse_note, proven
from relay.core.times import written
from relay.evidence.files import Files, readable, small
from relay.evidence.report import Check, Report
from relay.evidence.served import ServedLog
from relay.evidence.tree_check import RootAt

_LATEST_TIME = int(datetime(9999, 1, 1, tzinfo=UTC).timestamp())


class WitnessCheck:
    """Begun before the leaves are read and ended after: ``earlier`` looks at them in between. ``name``: where the head is."""

    def __init__(self, name: str, check: Check | None, seen: Checkpoint | None) -> None:
        self._name, self._check, self._seen = name, check, seen
        self.earlier = RootAt(0 if seen is None else seen.size)

    def end(self) -> None:
        """Compare what the leaves have led to."""
        check, seen = self._check, self._seen
        if check is None or seen is None or check.count:
            return
        if self.earlier.root is None:
            check.leave_out("the leaves were not read so far")
        elif self.earlier.root != seen.root:
            check.fails(
                f"{self._name}: the log is not the one whose {seen.size} entries were witnessed: it was altered"
            )


def begin_in_pack(
    files: Files, witnesses: Sequence[NoteKey], head: Checkpoint | None, verify: Verify, report: Report
) -> WitnessCheck:
    """Check who has signed. Where a pack has no such head and none is asked for, there is nothing to check."""
    name = pack.COSIGNED
    with readable("the pack"):
        is_there = name in files.names()
    if not is_there and not witnesses:
        return WitnessCheck(name, None, None)
    check = report.check("witness")
    if not is_there:
        check.fails(f"{name} is not in the pack: no witness had signed a head, or it was taken out")
        return WitnessCheck(name, check, None)
    try:
        found = small(files, name)
    except EvidenceRefused as error:
        check.fails(f"{name}: {error.message}")
        return WitnessCheck(name, check, None)
    return WitnessCheck(name, check, _seen_in(name, found, witnesses, head, verify, check))


async def begin_served(
    log: ServedLog, witnesses: Sequence[NoteKey], head: Checkpoint, verify: Verify, report: Report
) -> WitnessCheck:
    """The same of a log as it is served. Without a witness's key nothing is asked for. Raises TryLater."""
    name = "the witnessed head"
    if not witnesses:
        return WitnessCheck(name, None, None)
    check, seen = report.check("witness"), None
    try:
        found = await log.witnessed()
    except EvidenceRefused as error:
        check.fails(error.message)
        return WitnessCheck(name, check, None)
    if found is None:
        check.fails("no witness has signed a head of this log, or it was taken away")
    else:
        seen = _seen_in(name, found, witnesses, head, verify, check)
    return WitnessCheck(name, check, seen)


def _seen_in(
    name: str, found: bytes, witnesses: Sequence[NoteKey], head: Checkpoint | None, verify: Verify, check: Check
) -> Checkpoint | None:
    """The head in a note that witnesses have signed: an earlier one of this log, as far as can be told before leaves are read."""
    try:
        note = parse_note(found.decode("utf-8", "replace"))
        seen = parse_checkpoint(note.text)
        signers = proven(note, witnesses, verify) if witnesses else []
    except EvidenceRefused as error:
        check.fails(f"{name}: {error.message}")
        return None
    if head is not None and (seen.origin != head.origin or not 0 < seen.size <= head.size):
        check.fails(f"{name}: it is not an earlier head of this log")
    check.said = _said(note, seen, signers)
    return seen


def _said(note: Note, seen: Checkpoint, signers: Sequence[Proven]) -> str:
    if not signers:
        lines = sum(signature.name != seen.origin for signature in note.signatures)
        return f"{seen.size} entries begin as {lines} signed them whose keys were not given (--witness)"
    told = [f"{one.key.name} at {_time(one.at or 0)}" for one in signers]
    return f"{seen.size} entries begin as {' and '.join(told)} has signed them"


def _time(at: int) -> str:
    return written(datetime.fromtimestamp(min(at, _LATEST_TIME), UTC)) or ""
