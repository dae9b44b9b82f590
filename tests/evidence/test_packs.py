"""Evidence packs, written and verified: what a right one is, and what is said of one that is not."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import textwrap
import zipfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from relay.core import pack, pack_readme
from relay.core.entries import decoded, encoded
from relay.core.errors import EvidenceRefused
from relay.core.pack import PackedEntry
from relay.evidence.report import Report
from relay.evidence.verifying import verify_pack
from relay.evidence.writing import zip_pack
from tests.evidence.logs import (
    KEY,
    WANTED,
    LogKey,
    MadeLog,
    entry_at,
    erased,
    made_of,
    record_at,
    salt_at,
    uses,
    write_pack,
)

SIZES = (0, 1, 2, 255, 256, 257, 1000)


def failures(report: Report) -> list[str]:
    return [line for line in report.lines() if not line.startswith("ok")]


@pytest.mark.parametrize("size", SIZES)
def test_a_pack_is_verified_when_nothing_was_altered(tmp_path: Path, size: int) -> None:
    report = verify_pack(write_pack(tmp_path / "pack", made_of(size)), WANTED)

    assert failures(report) == []
    assert report.holds
    assert report.entries == size


@pytest.mark.parametrize("size", [0, 1, 257])
def test_a_zip_is_verified_as_its_folder_is_and_comes_out_the_same_twice(tmp_path: Path, size: int) -> None:
    zips = []
    for name in ("one", "two"):
        folder = write_pack(tmp_path / name, made_of(size))
        zips.append(tmp_path / f"{name}.zip")
        zip_pack(folder, zips[-1])

    assert verify_pack(zips[0], WANTED).holds
    assert zips[0].read_bytes() == zips[1].read_bytes()


@pytest.mark.parametrize(("first", "end"), [(0, 10), (250, 260), (256, 512), (600, 600), (999, 1000), (0, 0)])
def test_a_pack_of_some_entries_is_verified_against_the_whole_tree(tmp_path: Path, first: int, end: int) -> None:
    report = verify_pack(write_pack(tmp_path / "pack", made_of(1000), first=first, end=end), WANTED)

    assert failures(report) == []
    assert f"entries {first} up to, not including, {end} of 1000" in "\n".join(report.lines())


def test_erased_entries_are_counted_when_their_leaves_are_right(tmp_path: Path) -> None:
    some = [erased(entry_at(n)) if n % 3 == 0 else entry_at(n) for n in range(300)]

    report = verify_pack(write_pack(tmp_path / "pack", made_of(300), entries=some), WANTED)

    assert failures(report) == []
    assert "200 records stand where they say, without a gap; of 100 the leaf alone is left" in "\n".join(report.lines())


def test_sums_are_those_of_the_common_tool(tmp_path: Path) -> None:
    folder = write_pack(tmp_path / "pack", made_of(20))

    done = subprocess.run(["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=folder, capture_output=True, check=False)

    assert done.returncode == 0
    assert {found.name for found in folder.iterdir()} == {*pack.LISTED, pack.SUMS}


@pytest.mark.parametrize(("size", "first", "end"), [(0, 0, 0), (1, 0, 1), (300, 0, 300), (300, 7, 260)])
def test_the_readme_checks_a_pack_by_hand(tmp_path: Path, size: int, first: int, end: int) -> None:
    """What it tells a stranger to run is run: it shares no line with our verifier."""
    some = [erased(entry_at(n)) if n % 5 == 0 else entry_at(n) for n in range(first, end)]
    folder = write_pack(tmp_path / "pack", made_of(size), entries=some, first=first, end=end)

    assert _by_hand(folder) == f"ok {size}\n"

    if size:
        leaves = (folder / pack.LEAVES).read_bytes()
        (folder / pack.LEAVES).write_bytes(leaves[:-1] + bytes([leaves[-1] ^ 1]))
        assert _by_hand(folder) == ""


def _by_hand(folder: Path) -> str:
    text = (folder / pack.README).read_text()
    code = textwrap.dedent(text[text.index("     import base64") : text.index("3. The signature")])
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout


def test_the_readme_checks_the_signature_with_openssl(tmp_path: Path) -> None:
    folder = write_pack(tmp_path / "pack", made_of(20))
    script = textwrap.dedent(pack_readme.TEXT[pack_readme.TEXT.index("     head -n 3") :].split("\n\n")[0])
    script = script.replace("KEY_BEHIND_THE_SECOND_PLUS", KEY.public.written().split("+", 2)[2])
    if subprocess.run(["sh", "-c", "command -v openssl xxd"], capture_output=True, check=False).returncode:
        pytest.skip("needs openssl and xxd")

    right = subprocess.run(["sh", "-ec", script], cwd=folder, capture_output=True, text=True, check=False)
    head = (folder / pack.HEAD).read_text()
    (folder / pack.HEAD).write_text(head.replace("\n20\n", "\n21\n"))
    wrong = subprocess.run(["sh", "-ec", script], cwd=folder, capture_output=True, text=True, check=False)

    assert right.returncode == 0, right.stderr
    assert wrong.returncode != 0


def rewrite(folder: Path, name: str, text: bytes) -> None:
    """Alter a file as a forger does: with its sum."""
    (folder / name).write_bytes(text)
    sums = {listed: hashlib.sha256((folder / listed).read_bytes()).hexdigest() for listed in pack.LISTED}
    (folder / pack.SUMS).write_bytes(pack.written_sums(sums))


def rewrite_entries(folder: Path, lines: list[bytes]) -> None:
    """Alter the entries as a forger does: with the table that goes with them, as far as that can be made."""
    rows = [pack.table_head()]
    for line in lines:
        entry = pack.parse_entry(line)
        rows.append(pack.table_line(entry.index, None if entry.record is None else decoded(entry.record)))
    rewrite(folder, pack.TABLE, b"".join(rows))
    rewrite(folder, pack.ENTRIES, b"".join(lines))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_pack(tmp_path / "pack", made_of(30))


def lines_of(folder: Path) -> list[bytes]:
    return (folder / pack.ENTRIES).read_bytes().splitlines(keepends=True)


def back_dated(entry: PackedEntry) -> PackedEntry:
    assert entry.record is not None
    return replace(entry, record=encoded({**decoded(entry.record), "time": "2026-11-01T00:00:00Z"}))


@pytest.mark.parametrize(
    ("forge", "said"),
    [
        (lambda lines: lines[:4] + lines[5:], "entries.jsonl:5: entry 5 stands where 4 must"),
        (lambda lines: lines[:4] + lines[4:5] * 2 + lines[5:], "entries.jsonl:6: entry 4 stands where 5 must"),
        (lambda lines: [*lines[:4], lines[5], lines[4], *lines[6:]], "entries.jsonl:5: entry 5 stands where 4 must"),
        (lambda lines: lines[:-1], "entries.jsonl:30: the entries from 29 up to 30 are missing"),
        (lambda lines: [*lines, entry_at(30).written()], "entries.jsonl:31: there is more behind the last entry"),
        (
            lambda lines: [*lines[:4], back_dated(entry_at(4)).written(), *lines[5:]],
            "entries.jsonl:5: entry 4 is not what stands in the tree",
        ),
        (
            lambda lines: [*lines[:4], replace(entry_at(5), index=4).written(), *lines[5:]],
            "entries.jsonl:5: entry 4 is not what stands in the tree",
        ),
        (
            lambda lines: [*lines[:4], PackedEntry(4, record_at(4), salt_at(5)).written(), *lines[5:]],
            "entries.jsonl:5: entry 4 is not what stands in the tree",
        ),
        (
            lambda lines: [*lines[:4], replace(erased(entry_at(5)), index=4).written(), *lines[5:]],
            "entries.jsonl:5: entry 4 is not what stands in the tree",
        ),
    ],
    ids=[
        "removed",
        "doubled",
        "swapped",
        "cut",
        "added",
        "back-dated",
        "another's",
        "another's salt",
        "another's leaf",
    ],
)
def test_a_forged_line_is_named_when_table_and_sums_were_forged_with_it(folder: Path, forge: object, said: str) -> None:
    assert callable(forge)
    rewrite_entries(folder, forge(lines_of(folder)))

    report = verify_pack(folder, WANTED)

    assert f"FAIL  entries: {said}" in "\n".join(report.lines())
    assert not report.holds


def test_a_forgery_with_new_leaves_is_found_by_the_signed_root(tmp_path: Path) -> None:
    """All that hashes was made anew; only what is signed could not be."""
    forged = MadeLog(back_dated(entry_at(n)) if n == 4 else entry_at(n) for n in range(30))
    folder = write_pack(
        tmp_path / "pack", forged, entries=[back_dated(entry_at(4)) if n == 4 else entry_at(n) for n in range(30)]
    )
    rewrite(folder, pack.HEAD, made_of(30).head().written().encode())

    assert "FAIL  tree: leaves: the leaves do not make up the root in checkpoint" in verify_pack(folder, WANTED).lines()


def test_a_head_is_refused_when_another_key_signed_it(tmp_path: Path) -> None:
    folder = write_pack(tmp_path / "pack", made_of(3, (LogKey("a forger's key"),)))

    assert (
        "FAIL  signature: checkpoint: no key that is trusted here has signed this"
        in verify_pack(folder, WANTED).lines()
    )


def test_a_head_is_refused_when_it_is_another_log_s(tmp_path: Path) -> None:
    """One installation signs all its logs with one key, each under its own name."""
    other = LogKey("the log's key", "relay.example/log/acc_other")

    folder = write_pack(tmp_path / "pack", made_of(3, (other,)))
    report = verify_pack(folder, replace(WANTED, keys=[other.public]))

    assert [line for line in report.lines() if "another account" in line]
    assert not verify_pack(folder, WANTED).holds


OLD, NEW = LogKey("the log's key"), LogKey("its next key")


@pytest.mark.parametrize("trusted", [OLD, NEW])
def test_either_key_is_enough_when_both_sign(tmp_path: Path, trusted: LogKey) -> None:
    folder = write_pack(tmp_path / "pack", made_of(30, (NEW, OLD)), keys=uses(OLD, NEW, step=20))

    assert failures(verify_pack(folder, replace(WANTED, keys=[trusted.public]))) == []


@pytest.mark.parametrize(
    ("history", "said"),
    [
        (uses(OLD, NEW, step=31), "keys.txt:2: the key has signed a head before it began"),
        (uses(OLD), "checkpoint:5: signed with a key that keys.txt does not list"),
        (uses(NEW), "checkpoint:6: signed with a key that keys.txt does not list"),
        (uses(OLD, NEW, LogKey("x", "relay.example/log/y")), "keys.txt:3: it is no key of this log"),
        (uses(NEW, OLD, step=20)[::-1], "keys.txt: the key history is one line a key, oldest first"),
        (uses(OLD, OLD, NEW), "keys.txt: the key history is one line a key, oldest first"),
    ],
    ids=["before it began", "new one unlisted", "trusted one unlisted", "of another log", "not in order", "twice"],
)
def test_a_key_history_is_refused_when_it_does_not_go_with_the_head(
    tmp_path: Path, history: tuple[pack.KeyUse, ...], said: str
) -> None:
    folder = write_pack(tmp_path / "pack", made_of(30, (NEW, OLD)), keys=history)

    assert f"FAIL  keys: {said}" in verify_pack(folder, replace(WANTED, keys=[OLD.public])).lines()


def test_late_entries_are_told_and_refused_beyond_what_is_borne(tmp_path: Path) -> None:
    times = ["2026-11-21T12:00:00Z", "2026-11-21T10:00:00Z", "2026-11-21T12:00:01Z"]
    some = [
        replace(entry_at(n), record=encoded({**decoded(record_at(n)), "time": time})) for n, time in enumerate(times)
    ]
    folder = write_pack(tmp_path / "pack", MadeLog(some), entries=some)

    borne = verify_pack(folder, WANTED)
    refused = verify_pack(folder, replace(WANTED, latest=timedelta(hours=1)))

    assert borne.holds
    assert "no entry is dated more than 2:00:00 before one ahead of it" in "\n".join(borne.lines())
    assert failures(refused) == [
        "FAIL  times: entries.jsonl:2: dated 2026-11-21T10:00:00Z, 2:00:00 before an entry ahead of it"
    ]


def test_a_table_is_refused_when_it_tells_otherwise(folder: Path) -> None:
    table = (folder / pack.TABLE).read_bytes()
    rewrite(folder, pack.TABLE, table.replace(b"session.closed", b"session.opened", 1))

    assert failures(verify_pack(folder, WANTED)) == [
        "FAIL  table: entries.csv:2: it does not tell what entries.jsonl tells"
    ]


@pytest.mark.parametrize("lines", [0, 1, 12, 30])
def test_a_table_is_left_where_it_ends_too_early(folder: Path, lines: int) -> None:
    rows = (folder / pack.TABLE).read_bytes().splitlines(keepends=True)
    rewrite(folder, pack.TABLE, b"".join(rows[:lines]))

    assert failures(verify_pack(folder, WANTED)) == [
        f"FAIL  table: entries.csv:{lines + 1}: a line is missing, or not one of a table; what follows was not looked at"
    ]


@pytest.mark.parametrize("name", [*pack.LISTED, pack.SUMS])
def test_a_pack_is_refused_when_a_file_is_missing(folder: Path, name: str) -> None:
    (folder / name).unlink()

    report = verify_pack(folder, WANTED)

    assert not report.holds
    assert [line for line in report.lines() if name in line and line.startswith("FAIL")]


@pytest.mark.parametrize("name", ["notes.txt", "leaves2", "entries.jsonl.bak"])
def test_a_pack_is_refused_when_there_is_a_file_more(folder: Path, name: str) -> None:
    (folder / name).write_text("x")

    assert failures(verify_pack(folder, WANTED)) == [
        f"FAIL  files: {name!r} does not belong into a pack, or is there twice"
    ]


def test_a_link_in_a_pack_is_not_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (folder / pack.RETENTION).unlink()
    (folder / pack.RETENTION).symlink_to(tmp_path / "secret")

    assert "FAIL  files: retention.json: retention.json is no file" in verify_pack(folder, WANTED).lines()


def test_a_zip_is_refused_when_a_name_is_in_it_twice(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "pack.zip"
    zip_pack(folder, path)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(pack.ABOUT, (folder / pack.ABOUT).read_bytes())

    assert not verify_pack(path, WANTED).holds


@pytest.mark.parametrize("what", [b"", b"PK\x03\x04", b"<html>no</html>", b"\x00" * 5000])
def test_what_is_no_pack_is_refused_in_one_line(tmp_path: Path, what: bytes) -> None:
    path = tmp_path / "pack.zip"
    path.write_bytes(what)

    with pytest.raises(EvidenceRefused):
        verify_pack(path, WANTED)
    with pytest.raises(EvidenceRefused):
        verify_pack(tmp_path / "nothing", WANTED)


def test_a_pack_is_not_written_when_it_would_not_verify(tmp_path: Path) -> None:
    """Wrong leaves, an entry left out, one altered, one too few: the writer finds it, and there is no SHA256SUMS."""
    log, other = made_of(20), made_of(20)
    other.leaves[40] ^= 1
    wrong: dict[str, tuple[MadeLog, list[PackedEntry]]] = {
        "leaves": (other, list(map(entry_at, range(20)))),
        "gap": (log, [entry_at(0), entry_at(2)]),
        "altered": (log, [back_dated(entry_at(0)), *map(entry_at, range(1, 20))]),
        "few": (log, list(map(entry_at, range(19)))),
        "many": (log, list(map(entry_at, range(21)))),
    }
    for name, (made, entries) in wrong.items():
        with pytest.raises(EvidenceRefused):
            write_pack(tmp_path / name, made, entries=entries)

    assert not [path for name in wrong for path in (tmp_path / name).glob(pack.SUMS)]


def test_a_pack_is_not_written_when_leaves_that_it_has_no_entry_for_are_wrong(tmp_path: Path) -> None:
    log = made_of(20)
    log.leaves[40] ^= 1

    with pytest.raises(EvidenceRefused, match="not those of the checkpoint"):
        write_pack(tmp_path / "pack", log, first=10)


def test_a_folder_that_is_not_empty_is_left_alone(folder: Path) -> None:
    before = (folder / pack.LEAVES).read_bytes()

    with pytest.raises(EvidenceRefused, match="is not empty"):
        write_pack(folder, made_of(3))

    assert (folder / pack.LEAVES).read_bytes() == before


@pytest.mark.long
@pytest.mark.timeout(300)
def test_memory_stays_the_same_when_a_pack_is_large() -> None:
    """A hundred thousand entries are written and verified, as a folder and as a zip, in what a thousand take."""
    few, many = _megabytes(1_000), _megabytes(100_000)

    assert many - few <= 6


def _megabytes(entries: int) -> int:
    """What a process takes that makes, writes, zips and verifies a pack; it fails when the pack does not verify."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.packs", str(entries)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return max(int(line.split()[-4]) for line in done.stdout.splitlines())


def test_the_documents_are_json(folder: Path) -> None:
    assert json.loads((folder / pack.ABOUT).read_bytes())["size"] == 30
    assert json.loads((folder / pack.RETENTION).read_bytes())
