"""What a witness keeps, what it refuses, and what it can prove afterwards."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from relay.core.errors import EvidenceRefused, NotFound, OperatorMistake, TryLater
from relay.core.notes import Note, parse_checkpoint, parse_note, proven
from relay.core.witnessing import Verdict, check_fork, parse_fork
from relay.evidence.served import Fetch, ServedLog
from relay.evidence.witness import Cosigner, Seen, Trust, look
from relay.evidence.witness_files import WitnessFiles
from relay.vault import witness_key
from relay.vault.log_keys import verify
from tests.evidence.logs import KEY, LogKey, MadeLog, entry_at, made_of

NOW = datetime(2026, 11, 21, 18, 0, tzinfo=UTC)
TRUST = Trust([KEY.public], verify)


@pytest.fixture
def files(tmp_path: Path) -> WitnessFiles:
    return WitnessFiles(tmp_path / "log.state")


@pytest.fixture
def cosigner(tmp_path: Path) -> Cosigner:
    key = witness_key.make(tmp_path / "key", "auditor.example/witness")
    return Cosigner(key.key, key.sign)


def looked(
    log: MadeLog | Fetch,
    files: WitnessFiles,
    cosigner: Cosigner | None = None,
    now: datetime = NOW,
    trust: Trust = TRUST,
) -> Seen:
    fetch = log.fetch if isinstance(log, MadeLog) else log
    return asyncio.run(look(ServedLog(fetch), files, trust, cosigner, now))


def size_kept(files: WitnessFiles) -> int:
    note = files.last()
    assert note is not None
    return parse_checkpoint(note.text).size


def beside(files: WitnessFiles, kind: str) -> list[Path]:
    return sorted(files.path.parent.glob(f"{files.path.name}.{kind}-*"))


def another(size: int, at: int) -> MadeLog:
    """The same log but for one entry, signed by the same key."""
    return MadeLog(entry_at(n if n != at else n + 100_000) for n in range(size))


@pytest.mark.parametrize("sizes", [(0, 5), (1, 256), (5, 5), (255, 257), (256, 512), (300, 1000), (512, 70_000)])
def test_a_log_that_only_grew_is_kept(files: WitnessFiles, sizes: tuple[int, int]) -> None:
    old, new = sizes
    log = made_of(new)
    log.shown = log.head(old)
    first = looked(log, files)
    log.shown = None
    second = looked(log, files)

    assert first == Seen(None, old, None)
    assert second == Seen(Verdict.SAME if old == new else Verdict.GREW, new, old)
    assert size_kept(files) == new


def test_few_tiles_are_asked_for_when_a_log_is_large(files: WitnessFiles) -> None:
    log = made_of(70_000)
    log.shown = log.head(66_666)
    looked(log, files)
    log.shown, log.asked = None, []
    looked(log, files)

    assert len(log.asked) < 20


@pytest.mark.parametrize(("old", "new", "at"), [(10, 10, 3), (10, 20, 3), (256, 600, 255), (300, 301, 299), (1, 2, 0)])
def test_a_fork_is_refused_and_its_proof_is_kept(files: WitnessFiles, old: int, new: int, at: int) -> None:
    looked(made_of(old), files)
    for _ in range(2):
        with pytest.raises(EvidenceRefused, match="two stories"):
            looked(another(new, at), files)
    (saved,) = beside(files, "fork")

    check_fork(parse_fork(saved.read_text()), TRUST.keys, verify)
    assert size_kept(files) == old
    assert not files.cosigned.exists()


def test_a_fork_is_proven_when_the_other_story_is_shorter_and_the_log_still_has_both(files: WitnessFiles) -> None:
    log, other = made_of(600), another(300, 7)
    looked(log, files)
    log.shown = other.head()
    with pytest.raises(EvidenceRefused, match="two stories"):
        looked(log, files)
    (saved,) = beside(files, "fork")

    check_fork(parse_fork(saved.read_text()), TRUST.keys, verify)


def test_a_proof_of_a_fork_is_refused_when_it_proves_none(files: WitnessFiles) -> None:
    looked(made_of(10), files)
    with pytest.raises(EvidenceRefused):
        looked(another(20, 3), files)
    text = beside(files, "fork")[0].read_text()
    fork, honest = parse_fork(text), made_of(20)
    spoiled = [
        type(fork)(fork.kept, fork.kept, fork.root, fork.path),
        type(fork)(fork.kept, honest.head(), fork.root, fork.path),
        type(fork)(fork.kept, fork.offered, bytes(32), fork.path),
        type(fork)(fork.kept, fork.offered, fork.root, fork.path[:-1]),
        type(fork)(fork.kept, another(20, 3).head(keys=(LogKey("forger"),)), fork.root, fork.path),
        type(fork)(Note(fork.kept.text.replace("10", "11"), fork.kept.signatures), fork.offered, fork.root, fork.path),
    ]

    for one in spoiled:
        with pytest.raises(EvidenceRefused):
            check_fork(one, TRUST.keys, verify)
    for broken in ("", "[]", "{}", text[:-5], text.replace("fork 1", "fork 2")):
        with pytest.raises(EvidenceRefused):
            parse_fork(broken)


@pytest.mark.parametrize("size", [0, 5, 256])
def test_an_older_head_is_refused(files: WitnessFiles, size: int) -> None:
    log = made_of(600)
    looked(log, files)
    log.shown = log.head(size)
    with pytest.raises(EvidenceRefused, match=f"shows {size} entries, and had signed 600: an old head"):
        looked(log, files)

    assert size_kept(files) == 600
    assert len(beside(files, "refused")) == 1
    assert beside(files, "fork") == []


def test_a_log_is_refused_when_it_was_rolled_back_and_has_no_longer_what_it_signed(files: WitnessFiles) -> None:
    looked(made_of(600), files)
    with pytest.raises(EvidenceRefused, match="shows 300 entries, and had signed 600: the log has no tile"):
        looked(made_of(300), files)

    assert size_kept(files) == 600
    assert len(beside(files, "refused")) == 1


def test_a_head_is_refused_when_tiles_do_not_lead_to_it(files: WitnessFiles) -> None:
    """A tile that changes is no fork: the log may be broken, and what it has signed still holds."""
    log = made_of(600)
    looked(another(10, 100_000), files)

    async def fetch(path: str) -> bytes:
        found = await log.fetch(path)
        return found[:-1] + bytes([found[-1] ^ 1]) if path == "tile/entries/002.p/88" else found

    with pytest.raises(EvidenceRefused, match="the proof leads to another root; both heads"):
        looked(fetch, files)
    assert (size_kept(files), beside(files, "fork")) == (10, [])


@pytest.mark.parametrize(
    "answer", [b"", b"<html><body>Sign in</body></html>", b"\xff", made_of(20).head().written().encode()[:-7]]
)
def test_nothing_is_kept_when_what_is_served_is_no_head(files: WitnessFiles, answer: bytes) -> None:
    looked(made_of(10), files)

    async def fetch(_: str) -> bytes:
        return answer

    with pytest.raises(EvidenceRefused):
        looked(fetch, files)
    assert size_kept(files) == 10


def test_nothing_is_kept_when_another_key_signed(files: WitnessFiles) -> None:
    with pytest.raises(EvidenceRefused, match="no key that is trusted here"):
        looked(made_of(10, (LogKey("a forger's key"),)), files)
    assert files.last() is None


def test_one_file_is_for_one_log(files: WitnessFiles) -> None:
    looked(made_of(10), files)
    other = LogKey("the log's key", "relay.example/log/acc_other")
    both = Trust([KEY.public, other.public], verify)

    with pytest.raises(EvidenceRefused, match="another log's"):
        looked(made_of(20, (other,)), files, trust=both)


def test_nothing_is_kept_when_the_log_does_not_answer(files: WitnessFiles) -> None:
    log = made_of(20)
    looked(made_of(10), files)

    async def silent(path: str) -> bytes:
        if path != "checkpoint":
            raise TryLater("the log did not answer")
        return await log.fetch(path)

    with pytest.raises(TryLater):
        looked(silent, files)
    assert (size_kept(files), beside(files, "refused")) == (10, [])


def test_a_key_that_is_trusted_later_goes_on_where_both_signed(files: WitnessFiles) -> None:
    new = LogKey("its next key")
    log = made_of(20, (new, KEY))
    looked(made_of(10), files)
    looked(log, files)

    assert looked(made_of(30, (new,)), files, trust=Trust([new.public], verify)).size == 30


@pytest.mark.parametrize("damaged", [b"", b"relay.example/log\n", b"\xff\xff", b"\n" * 100])
def test_a_damaged_state_is_never_taken_for_none(files: WitnessFiles, damaged: bytes) -> None:
    files.path.write_bytes(damaged)

    with pytest.raises(EvidenceRefused, match="is damaged"):
        looked(made_of(10), files)
    assert files.path.read_bytes() == damaged


def test_a_state_that_somebody_wrote_is_refused(files: WitnessFiles) -> None:
    files.keep(made_of(5, (LogKey("a forger's key"),)).head())

    with pytest.raises(EvidenceRefused):
        looked(made_of(10), files)


def test_a_head_is_cosigned_beside_the_log_s_own_signature(files: WitnessFiles, cosigner: Cosigner) -> None:
    looked(made_of(10), files, cosigner)
    note = parse_note(files.cosigned.read_text())

    (found,) = proven(note, [cosigner.key], verify)
    assert found.at == int(NOW.timestamp())
    assert proven(note, [KEY.public], verify)
    assert parse_checkpoint(note.text).size == 10


def test_nothing_is_cosigned_when_the_clock_went_back(files: WitnessFiles, cosigner: Cosigner) -> None:
    looked(made_of(10), files, cosigner)
    before = files.cosigned.read_bytes()

    with pytest.raises(EvidenceRefused, match="clock is behind"):
        looked(made_of(20), files, cosigner, NOW - timedelta(seconds=1))
    assert (files.cosigned.read_bytes(), size_kept(files)) == (before, 10)
    looked(made_of(20), files, cosigner, NOW + timedelta(days=3000))
    assert size_kept(files) == 20


def test_a_cut_off_write_leaves_the_last_state(files: WitnessFiles) -> None:
    looked(made_of(10), files)
    files.path.with_name(files.path.name + ".new").write_bytes(b"half a head")

    looked(made_of(20), files)
    assert size_kept(files) == 20


def test_two_witnesses_do_not_share_a_file_at_once(files: WitnessFiles) -> None:
    with files.alone(), pytest.raises(OperatorMistake, match="another witness"), WitnessFiles(files.path).alone():
        pass
    with files.alone():
        pass


def test_what_cannot_be_written_is_said_in_a_line(tmp_path: Path) -> None:
    files = WitnessFiles(tmp_path / "nowhere" / "log.state")

    with pytest.raises(OperatorMistake, match="No such file"), files.alone():
        pass
    with pytest.raises(OperatorMistake, match="No such file"):
        looked(made_of(3), files)


def test_a_log_without_a_head_is_told_from_one_that_has_one(files: WitnessFiles) -> None:
    async def nothing(_: str) -> bytes:
        raise NotFound

    with pytest.raises(EvidenceRefused, match="no checkpoint at this address"):
        looked(nothing, files)
    assert os.listdir(files.path.parent) == []  # noqa: PTH208 - names alone are asked for
