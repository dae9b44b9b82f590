"""A pack that is sent while it is made: the same files as in a folder, and no pack at all when it was not finished."""

from __future__ import annotations

import io
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from relay.core.errors import EvidenceRefused, OperatorMistake
from relay.evidence.placing import appearing
from relay.evidence.streaming import PackStream
from relay.evidence.verifying import verify_pack
from relay.evidence.writing import Contents
from tests.evidence.logs import RETENTION, WANTED, MadeLog, entry_at, erased, made_of, uses, write_pack


def sent(log: MadeLog, *, first: int = 0, end: int | None = None) -> Iterator[bytes]:
    """The pieces of a log's pack, every third entry erased."""
    with PackStream(Contents(log.head(), uses(*log.keys), RETENTION, first, end)) as pack:
        for at in range(0, len(log.leaves), 3200):
            pack.add_leaves(bytes(log.leaves[at : at + 3200]))
            yield pack.taken()
        for n in range(first, log.size if end is None else end):
            pack.add_entries([entry_at(n) if n % 3 else erased(entry_at(n))])
            yield pack.taken()
        for _ in pack.finishing():
            yield pack.taken()


@pytest.mark.parametrize(
    ("size", "first", "end"), [(300, 0, 300), (300, 100, 200), (300, 300, 300), (1, 0, 1), (0, 0, 0)]
)
def test_a_stream_has_the_files_of_a_folder(tmp_path: Path, size: int, first: int, end: int) -> None:
    log = made_of(size)
    (tmp_path / "pack.zip").write_bytes(b"".join(sent(log, first=first, end=end)))
    entries = [entry_at(n) if n % 3 else erased(entry_at(n)) for n in range(first, end)]
    folder = write_pack(tmp_path / "pack", log, entries=entries, first=first, end=end)
    with zipfile.ZipFile(tmp_path / "pack.zip") as archive:
        streamed = {name: archive.read(name) for name in archive.namelist()}

    assert streamed == {path.name: path.read_bytes() for path in folder.iterdir()}
    assert verify_pack(tmp_path / "pack.zip", WANTED).holds


@pytest.mark.skipif(shutil.which("unzip") is None, reason="another reader of zips, where there is one")
def test_a_stream_is_read_by_a_zip_reader_that_is_not_pythons(tmp_path: Path) -> None:
    (tmp_path / "pack.zip").write_bytes(b"".join(sent(made_of(300))))
    done = subprocess.run(["unzip", "-tqq", tmp_path / "pack.zip"], capture_output=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_stream_that_ends_early_is_no_pack_wherever_it_ends() -> None:
    pieces = list(sent(made_of(30)))
    for count in range(len(pieces)):
        with pytest.raises(zipfile.BadZipFile):
            zipfile.ZipFile(io.BytesIO(b"".join(pieces[:count])))


def _another_leaf(pack: PackStream, log: MadeLog) -> None:
    pack.add_leaves(bytes(log.leaves[:-1]) + b"x")
    pack.add_entries([])


def _a_gap(pack: PackStream, log: MadeLog) -> None:
    pack.add_leaves(bytes(log.leaves))
    pack.add_entries([entry_at(1)])


def _another_record(pack: PackStream, log: MadeLog) -> None:
    pack.add_leaves(bytes(log.leaves))
    pack.add_entries([entry_at(0), erased(entry_at(7))])


def _an_end_too_soon(pack: PackStream, log: MadeLog) -> None:
    pack.add_leaves(bytes(log.leaves))
    pack.finish()


@pytest.mark.parametrize("wrong", [_another_leaf, _a_gap, _another_record, _an_end_too_soon])
def test_a_stream_that_would_not_verify_is_refused(wrong: Callable[[PackStream, MadeLog], None]) -> None:
    log = made_of(30)
    with PackStream(Contents(log.head(), uses(*log.keys), RETENTION)) as pack, pytest.raises(EvidenceRefused):
        wrong(pack, log)


def test_what_appears_is_whole_and_alone(tmp_path: Path) -> None:
    out = tmp_path / "pack.zip"
    (tmp_path / "pack.zip.part").mkdir()
    (tmp_path / "pack.zip.part" / "pack.zip").write_text("left by somebody who was killed")
    with appearing(out) as made:
        assert not made.exists()
        made.write_text("whole")
        assert not out.exists()
        with pytest.raises(OperatorMistake, match="another export"), appearing(out):
            pass

    assert out.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [out]


def _fail(error: BaseException, out: Path) -> None:
    with appearing(out) as made:
        made.mkdir()
        (made / "leaves").write_text("half")
        raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), EvidenceRefused("x"), OSError(28, "No space left on device")])
def test_nothing_appears_when_it_goes_wrong(tmp_path: Path, error: BaseException) -> None:
    expected = OperatorMistake if isinstance(error, OSError) else type(error)
    with pytest.raises(expected):
        _fail(error, tmp_path / "pack")

    assert list(tmp_path.iterdir()) == []
