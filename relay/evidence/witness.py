"""A witness: keeps the last head of a log, and lets a new one take its place only when the log has done nothing but grow.

On the auditor's machine, away from whoever runs the log. A head that is refused changes nothing that is kept; what proves a fork
is kept beside it for good.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from relay.core.errors import EvidenceRefused
from relay.core.notes import Checkpoint, Note, NoteKey, Sign, Verify, cosigned
from relay.core.tiles import hashes_in, places_of
from relay.core.witnessing import Fork, Verdict, head_of, judge, spans_between
from relay.evidence.served import ServedLog
from relay.evidence.witness_files import WitnessFiles


@dataclass(frozen=True, slots=True)
class Trust:
    """The keys of the log that the witness trusts, and who checks a signature."""

    keys: Sequence[NoteKey]
    verify: Verify


@dataclass(frozen=True, slots=True)
class Cosigner:
    """The witness's own key."""

    key: NoteKey
    sign: Sign


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look at the log has shown. ``since`` None: it was the first."""

    verdict: Verdict | None
    size: int
    since: int | None


async def look(log: ServedLog, files: WitnessFiles, trust: Trust, cosigner: Cosigner | None, now: datetime) -> Seen:
    """Look at the log once.

    Raises EvidenceRefused when its head may not take the place of the last one, and TryLater when the log does not answer: then
    nothing has changed but that what was refused is written down.
    """
    last, offered = files.last(), await log.head()
    head = head_of(offered, trust.keys, trust.verify)
    kept = None if last is None else head_of(last, trust.keys, trust.verify)
    verdict = None
    if last is not None and kept is not None:
        if kept.origin != head.origin:
            raise EvidenceRefused("the head that is kept is another log's: one file, one log", code="witness_refused")
        verdict = await _judged(log, files, (last, kept), (offered, head))
    signature = None if cosigner is None else _cosignature(offered, files, cosigner, now)
    files.keep(offered)
    if signature is not None:
        files.keep_cosigned(signature)
    return Seen(verdict, head.size, None if kept is None else kept.size)


async def _judged(
    log: ServedLog, files: WitnessFiles, last: tuple[Note, Checkpoint], offered: tuple[Note, Checkpoint]
) -> Verdict:
    """What became of the log. Raises EvidenceRefused, with both heads written down, when it is nothing good or cannot be told."""
    (old, kept), (new, head) = last, offered
    said = f"the log shows {head.size} entries, and had signed {kept.size}"
    try:
        spans = spans_between(kept, head)
        judged = judge(kept, head, hashes_in(await log.kept(places_of(spans), max(kept.size, head.size))))
    except EvidenceRefused as error:
        saved = files.keep_refused(Fork(old, new, b"", ()))
        raise EvidenceRefused(f"{said}: {error.message}; both heads: {saved}", code="witness_refused") from None
    pair = Fork(old, new, judged.root, judged.path)
    if judged.verdict is Verdict.FORKED:
        saved = files.keep_fork(pair)
        raise EvidenceRefused(f"{said}: the log has two stories; proof: {saved}", code="log_forked")
    if judged.verdict is Verdict.OLDER:
        saved = files.keep_refused(pair)
        raise EvidenceRefused(
            f"{said}: an old head, or entries were taken back; both heads: {saved}", code="witness_refused"
        )
    return judged.verdict


def _cosignature(offered: Note, files: WitnessFiles, cosigner: Cosigner, now: datetime) -> Note:
    """The head with our signature under it. Never dated before the last one: whoever sees it takes it for the newest."""
    at, before = int(now.astimezone(UTC).timestamp()), files.cosigned_at(cosigner.key)
    if before is not None and at < before:
        raise EvidenceRefused(
            "this machine's clock is behind the last cosignature: set it right, "
            f"or, if it was wrong then, remove {files.cosigned}",
            code="witness_refused",
        )
    signature = cosigned(offered.text, cosigner.key, cosigner.sign, at)
    return Note(offered.text, (*offered.signatures, signature))
