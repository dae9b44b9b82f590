"""Whether the head that witnesses have signed is the beginning of the log in a pack.

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
from relay.evidence.tree_check import RootAt

_LATEST_TIME = int(datetime(9999, 1, 1, tzinfo=UTC).timestamp())


class WitnessCheck:
    """Begun before the leaves are read and ended after: ``earlier`` looks at them in between."""

    def __init__(self, check: Check | None, seen: Checkpoint | None) -> None:
        self._check, self._seen = check, seen
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
                f"{pack.COSIGNED}: the log is not the one whose {seen.size} entries were witnessed: it was altered"
            )


def begin(
    files: Files, witnesses: Sequence[NoteKey], head: Checkpoint | None, verify: Verify, report: Report
) -> WitnessCheck:
    """Check who has signed. Where a pack has no such head and none is asked for, there is nothing to check."""
    with readable("the pack"):
        is_there = pack.COSIGNED in files.names()
    if not is_there and not witnesses:
        return WitnessCheck(None, None)
    check = report.check("witness")
    if not is_there:
        check.fails(f"{pack.COSIGNED} is not in the pack: no witness had signed a head, or it was taken out")
        return WitnessCheck(check, None)
    try:
        note = parse_note(small(files, pack.COSIGNED).decode("utf-8", "replace"))
        seen = parse_checkpoint(note.text)
        signers = proven(note, witnesses, verify) if witnesses else []
    except EvidenceRefused as error:
        check.fails(f"{pack.COSIGNED}: {error.message}")
        return WitnessCheck(check, None)
    if head is not None and (seen.origin != head.origin or not 0 < seen.size <= head.size):
        check.fails(f"{pack.COSIGNED}: it is not an earlier head of this log")
    check.said = _said(note, seen, signers)
    return WitnessCheck(check, seen)


def _said(note: Note, seen: Checkpoint, signers: Sequence[Proven]) -> str:
    if not signers:
        lines = sum(signature.name != seen.origin for signature in note.signatures)
        return f"{seen.size} entries begin as {lines} signed them whose keys were not given (--witness)"
    told = [f"{one.key.name} at {_time(one.at or 0)}" for one in signers]
    return f"{seen.size} entries begin as {' and '.join(told)} has signed them"


def _time(at: int) -> str:
    return written(datetime.fromtimestamp(min(at, _LATEST_TIME), UTC)) or ""
