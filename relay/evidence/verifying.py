"""Verifies an evidence pack with nothing but the pack and a public key, in one pass over its files and in little memory.

The pack comes from whom it is evidence about, so nothing in it is trusted: SHA256SUMS finds what was damaged, but who alters a
file alters that too. What proves is the signature under the head, and everything that hashes up to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from relay.core import pack
from relay.core.errors import EvidenceRefused
from relay.core.notes import Checkpoint, KeyType, NoteKey, Verify, parse_checkpoint, parse_note, proven
from relay.core.pack import About
from relay.core.witnessing import head_of
from relay.evidence import witness_check
from relay.evidence.entries_check import EntriesCheck
from relay.evidence.files import Files, chunks, open_pack, readable, small
from relay.evidence.report import Check, Report
from relay.evidence.tree_check import RootAt, check_tree

#: How far behind an earlier entry a later one may be dated: entries are numbered as they are sealed, and sealing may stand still.
LATEST = timedelta(hours=24)

#: Told how many leaves of how many are hashed.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """How to check: the keys that the auditor trusts, who checks a signature, and how late an entry may be.

    ``witnesses``: their keys; where there are any, one of them must have signed.
    """

    keys: Sequence[NoteKey]
    verify: Verify
    latest: timedelta = LATEST
    witnesses: Sequence[NoteKey] = ()


def verify_pack(path: Path, wanted: Wanted, progress: Progress = lambda done, size: None) -> Report:
    """Check everything that can be checked. Raises EvidenceRefused when at this path is nothing like a pack."""
    report = Report()
    with open_pack(path) as files:
        _check_files(files, report.check("files"))
        head = _check_signature(files, wanted, report.check("signature"))
        _check_keys(files, wanted, head, report.check("keys"))
        about = _check_about(files, head, report.check("contents"))
        witnessed = witness_check.begin_in_pack(files, wanted.witnesses, head, wanted.verify, report)
        _check_entries(files, about, head, wanted, report, witnessed.earlier, progress)
        witnessed.end()
        _check_retention(files, report.check("retention"))
    return report


def _check_files(files: Files, check: Check) -> None:
    with readable("the pack"):
        names = files.names()
    for name in pack.strangers(names):
        check.fails(f"{name!r} does not belong into a pack, or is there twice")
    try:
        sums = pack.parse_sums(small(files, pack.SUMS))
    except EvidenceRefused as error:
        check.fails(f"{pack.SUMS}: {error.message}")
        return
    if pack.COSIGNED in names and pack.COSIGNED not in sums:
        check.fails(f"{pack.COSIGNED}: {pack.SUMS} does not list it")
    for line, (name, expected) in enumerate(sums.items(), 1):
        try:
            if pack.digest(chunks(files, name)) != expected:
                check.fails(f"{name}: it is not the file that {pack.SUMS}:{line} lists")
        except EvidenceRefused as error:
            check.fails(f"{name}: {error.message}")
    check.said = f"{len(sums)} files are as {pack.SUMS} lists them"


def _check_signature(files: Files, wanted: Wanted, check: Check) -> Checkpoint | None:
    try:
        note = parse_note(_text(small(files, pack.HEAD)))
        head = head_of(note, wanted.keys, wanted.verify)
        signers = proven(note, wanted.keys, wanted.verify)
    except EvidenceRefused as error:
        check.fails(f"{pack.HEAD}: {error.message}")
        return None
    ids = ", ".join(signer.key.id.hex() for signer in signers)
    check.said = f"{head.origin} has signed {head.size} entries with your key {ids}"
    return head


def _text(written: bytes) -> str:
    try:
        return written.decode()
    except UnicodeDecodeError:
        raise EvidenceRefused("it is not text", code="note_refused") from None


def _check_keys(files: Files, wanted: Wanted, head: Checkpoint | None, check: Check) -> None:
    """Every key that has signed the head is in the history, had begun by then, and its signature is right; so is yours."""
    if head is None:
        check.leave_out("there is no head")
        return
    try:
        uses = pack.parse_keys(small(files, pack.KEYS))
        note = parse_note(_text(small(files, pack.HEAD)))
        signers = {signer.key for signer in proven(note, [use.key for use in uses], wanted.verify)}
    except EvidenceRefused as error:
        check.fails(f"{pack.KEYS}: {error.message}")
        return
    for line, use in enumerate(uses, 1):
        if use.key.name != head.origin or use.key.type is not KeyType.ED25519:
            check.fails(f"{pack.KEYS}:{line}: it is no key of this log")
        if use.key in signers and use.first_size > head.size:
            check.fails(f"{pack.KEYS}:{line}: the key has signed a head before it began")
    listed = {(use.key.name, use.key.id) for use in uses}
    for number, signature in enumerate(note.signatures, 5):
        if signature.name == head.origin and (signature.name, signature.key_id) not in listed:
            check.fails(f"{pack.HEAD}:{number}: signed with a key that {pack.KEYS} does not list")
    check.said = f"{len(uses)} in the history, {len(signers)} of them signed this head"


def _check_about(files: Files, head: Checkpoint | None, check: Check) -> About | None:
    try:
        about = pack.parse_about(small(files, pack.ABOUT))
    except EvidenceRefused as error:
        check.fails(f"{pack.ABOUT}: {error.message}")
        return None
    if head is not None and (about.origin, about.size) != (head.origin, head.size):
        check.fails(f"{pack.ABOUT}: it is about another head than {pack.HEAD}")
    check.said = f"entries {about.first} up to, not including, {about.end} of {about.size}"
    return about


def _check_entries(
    files: Files,
    about: About | None,
    head: Checkpoint | None,
    wanted: Wanted,
    report: Report,
    earlier: RootAt,
    progress: Progress,
) -> None:
    """Entries and tree are one pass: both need every leaf. Where nobody signed the head the tree is still worth a look."""
    tree, entries, table, times = (report.check(name) for name in ("tree", "entries", "table", "times"))
    head = head or _unsigned(files)
    if about is None or head is None:
        for check in (tree, entries, table, times):
            check.leave_out("there is no head, or no word of what is in the pack")
        return
    with EntriesCheck(files, about, wanted.latest, (entries, table, times)) as run:
        report.entries = check_tree(files, head, tree, run, earlier, progress)


def _unsigned(files: Files) -> Checkpoint | None:
    try:
        return parse_checkpoint(parse_note(_text(small(files, pack.HEAD))).text)
    except EvidenceRefused:
        return None


def _check_retention(files: Files, check: Check) -> None:
    try:
        small(files, pack.RETENTION)
        small(files, pack.README)
    except EvidenceRefused as error:
        check.fails(error.message)
    check.said = "the report is there; it is the operator's word, nothing proves it"
