"""The head in a pack that witnesses have signed: what is made of it, with their keys and without."""

from __future__ import annotations

import asyncio
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from relay.core import pack
from relay.core.notes import Note, NoteKey
from relay.evidence.files import Folder, chunks
from relay.evidence.served import ServedLog
from relay.evidence.served_check import verify_served
from relay.evidence.verifying import verify_pack
from relay.evidence.writing import zip_pack
from tests.evidence.logs import KEY, WANTED, LogKey, MadeLog, entry_at, made_of, witness_named, write_pack

ANN, BEN, EVE = (witness_named(f"{name}.example/w") for name in ("ann", "ben", "eve"))
AT = 1_763_000_000
LOG = made_of(300)


def altered() -> MadeLog:
    log = MadeLog()
    log.add(entry_at(n + 1) for n in range(300))
    return log


def said(folder: Path, *witnesses: NoteKey) -> tuple[bool, list[str]]:
    """Whether a pack holds, and the lines that are of the witness or wrong."""
    report = verify_pack(folder, replace(WANTED, witnesses=witnesses))
    lines = [line for line in report.lines() if "witness: " in line or not line.startswith("ok")]
    return report.holds, lines


@pytest.mark.parametrize("size", [1, 255, 256, 257, 300])
def test_a_pack_is_verified_when_a_witness_had_signed_its_beginning(tmp_path: Path, size: int) -> None:
    folder = write_pack(tmp_path / "pack", LOG, cosigned=BEN.under(ANN.under(LOG.head(size), AT), AT + 1))
    both = "ann.example/w at 2025-11-13T02:13:20Z and ben.example/w at 2025-11-13T02:13:21Z has signed them"

    assert said(folder, ANN.public, BEN.public) == (True, [f"ok    witness: {size} entries begin as {both}"])
    assert said(folder, ANN.public)[0]
    assert "2 signed them whose keys were not given" in said(folder)[1][0]


def test_a_head_is_good_evidence_when_the_key_that_signed_it_is_gone(tmp_path: Path) -> None:
    old = LOG.head(200, (LogKey("the key before"),))
    folder = write_pack(tmp_path / "pack", LOG, cosigned=ANN.under(old, AT))

    assert said(folder, ANN.public)[0]


@pytest.mark.parametrize(
    ("cosigned", "wrong"),
    [
        (ANN.under(altered().head(200), AT), "the log is not the one whose 200 entries were witnessed: it was altered"),
        (ANN.under(made_of(301).head(), AT), "it is not an earlier head of this log"),
        (
            ANN.under(made_of(9, (LogKey("x", "other.example/log"),)).head(), AT),
            "it is not an earlier head of this log",
        ),
        (ANN.under(LOG.head(0), AT), "it is not an earlier head of this log"),
        (EVE.under(LOG.head(200), AT), "no key that is trusted here has signed this"),
        (Note(LOG.head(200).text, ANN.under(LOG.head(201), AT).signatures), "a signature is not that of the key"),
        (
            witness_named(ANN.public.name, "a forger's").under(LOG.head(200), AT),
            "no key that is trusted here has signed",
        ),
    ],
)
def test_a_pack_is_refused_when_a_witness_has_signed_another_beginning(
    tmp_path: Path, cosigned: Note, wrong: str
) -> None:
    folder = write_pack(tmp_path / "pack", LOG, cosigned=cosigned)
    holds, lines = said(folder, ANN.public)

    assert not holds
    assert len(lines) == 1
    assert lines[0].startswith(f"FAIL  witness: cosigned: {wrong}")


@pytest.mark.parametrize(
    ("cosigned", "before", "wrong"),
    [
        (ANN.under(LOG.head(256), AT), 100, []),
        (ANN.under(LOG.head(300), AT), 300, []),
        (ANN.under(LOG.head(1), AT), 0, []),
        (None, 100, ["no witness has signed a head of this log, or it was taken away"]),
        (EVE.under(LOG.head(256), AT), 100, ["the witnessed head: no key that is trusted here has signed this"]),
        (
            ANN.under(altered().head(200), AT),
            100,
            ["the witnessed head: the log is not the one whose 200 entries were witnessed: it was altered"],
        ),
    ],
)
def test_a_log_as_it_is_served_is_held_against_what_a_witness_has_signed(
    cosigned: Note | None, before: int, wrong: list[str]
) -> None:
    log = made_of(300)
    log.cosigned = cosigned
    wanted = replace(WANTED, witnesses=[ANN.public])
    report = asyncio.run(verify_served(ServedLog(log.fetch), wanted, log.head(before)))

    assert [line for line in report.lines() if not line.startswith("ok")] == [f"FAIL  witness: {it}" for it in wrong]
    assert [check.name for check in report.checks] == ["signature", "witness", "tree", "tiles", "growth"]


def test_another_beginning_is_found_without_any_witness_s_key(tmp_path: Path) -> None:
    folder = write_pack(tmp_path / "pack", LOG, cosigned=ANN.under(altered().head(200), AT))

    assert not said(folder)[0]


def test_what_was_taken_out_is_missed_by_whoever_has_the_witness_s_key(tmp_path: Path) -> None:
    folder = write_pack(tmp_path / "pack", LOG, cosigned=ANN.under(LOG.head(200), AT))
    (folder / pack.COSIGNED).unlink()
    unlisted = said(folder)
    sums = {name: pack.digest(chunks(Folder(folder), name)) for name in pack.LISTED}
    (folder / pack.SUMS).write_bytes(pack.written_sums(sums))

    assert unlisted[1] == ["FAIL  files: cosigned: cosigned cannot be read: No such file or directory"]
    assert said(folder) == (True, [])
    assert said(folder, ANN.public)[1] == [
        "FAIL  witness: cosigned is not in the pack: no witness had signed a head, or it was taken out"
    ]


def test_a_cosigned_head_that_was_put_into_a_pack_is_told_of(tmp_path: Path) -> None:
    folder = write_pack(tmp_path / "pack", LOG)
    (folder / pack.COSIGNED).write_text(ANN.under(LOG.head(), AT).written())

    assert said(folder, ANN.public)[1][0] == "FAIL  files: cosigned: SHA256SUMS does not list it"


def test_a_zip_has_the_cosigned_head_as_its_folder_has(tmp_path: Path) -> None:
    folder = write_pack(tmp_path / "pack", LOG, cosigned=ANN.under(LOG.head(200), AT))
    zip_pack(folder, tmp_path / "pack.zip")

    assert said(tmp_path / "pack.zip", ANN.public)[0]
    with zipfile.ZipFile(tmp_path / "pack.zip") as archive:
        assert set(archive.namelist()) == {*pack.LISTED_WITNESSED, pack.SUMS}
    assert KEY.public.name in (folder / pack.COSIGNED).read_text()
