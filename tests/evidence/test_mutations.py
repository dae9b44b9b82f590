"""A pack altered at random, a thousand times: nothing gets through, whether or not the sums are made to fit."""

from __future__ import annotations

import random
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from relay.core import pack
from relay.core.errors import EvidenceRefused
from relay.evidence.files import Folder, chunks
from relay.evidence.verifying import verify_pack
from relay.evidence.writing import zip_pack
from tests.evidence.logs import WANTED, MadeLog, entry_at, erased, made_of, write_pack

pytestmark = pytest.mark.long

ALL = (*pack.LISTED, pack.SUMS)
#: What a signature or the tree proves, or must say the same as what they prove. Of the others a pack tells the operator's word.
PROVEN = (pack.ENTRIES, pack.TABLE, pack.LEAVES, pack.ABOUT)
ROUNDS = 1000

Mutation = Callable[[random.Random, bytes, bytes], bytes]


def flipped(chance: random.Random, text: bytes, _: bytes) -> bytes:
    at = chance.randrange(len(text) * 8)
    return text[: at // 8] + bytes([text[at // 8] ^ 1 << at % 8]) + text[at // 8 + 1 :]


def truncated(chance: random.Random, text: bytes, _: bytes) -> bytes:
    return text[: chance.randrange(len(text))]


def of_another(_: random.Random, __: bytes, other: bytes) -> bytes:
    return other


def removed(chance: random.Random, text: bytes, _: bytes) -> bytes:
    parts = _parts(text)
    del parts[chance.randrange(len(parts))]
    return b"".join(parts)


def doubled(chance: random.Random, text: bytes, _: bytes) -> bytes:
    parts = _parts(text)
    at = chance.randrange(len(parts))
    return b"".join([*parts[: at + 1], *parts[at:]])


def reordered(chance: random.Random, text: bytes, _: bytes) -> bytes:
    parts = _parts(text)
    one, other = sorted(chance.sample(range(len(parts)), 2)) if len(parts) > 1 else (0, 0)
    parts[one], parts[other] = parts[other], parts[one]
    return b"".join(parts)


def back_dated(chance: random.Random, text: bytes, _: bytes) -> bytes:
    parts = _parts(text)
    at = chance.randrange(len(parts))
    parts[at] = parts[at].replace(b"2026-11-21T12:", b"2026-11-21T11:")
    return b"".join(parts)


def replaced(chance: random.Random, text: bytes, other: bytes) -> bytes:
    """A part of another log's in its place."""
    parts, others = _parts(text), _parts(other)
    at = chance.randrange(len(parts))
    parts[at] = others[min(at, len(others) - 1)]
    return b"".join(parts)


def _parts(text: bytes) -> list[bytes]:
    """Lines, or leaves where there are none."""
    if text.isascii():
        return text.splitlines(keepends=True)
    return [text[at : at + 32] for at in range(0, len(text), 32)]


MUTATIONS: tuple[Mutation, ...] = (
    flipped,
    truncated,
    of_another,
    removed,
    doubled,
    reordered,
    back_dated,
    replaced,
)


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A pack of 40 entries, some erased, and one of a log that is another."""
    folder = tmp_path_factory.mktemp("mutations")
    some = [erased(entry_at(n)) if n % 7 == 3 else entry_at(n) for n in range(40)]
    others = [entry_at(n + 5000) for n in range(41)]
    renumbered = [type(entry)(n, entry.record, entry.salt) for n, entry in enumerate(others)]
    return (
        write_pack(folder / "one", made_of(40), entries=some),
        write_pack(folder / "other", MadeLog(renumbered), entries=renumbered),
    )


def is_found(folder: Path) -> bool:
    try:
        return not verify_pack(folder, WANTED).holds
    except EvidenceRefused:
        return True


def play(packs: tuple[Path, Path], into: Path, names: tuple[str, ...], *, mended: bool) -> tuple[int, list[str]]:
    """So many mutations, and those that were not found. ``mended``: the sums are made anew, as a forger does."""
    shutil.copytree(packs[0], into)
    chance, played, missed = random.Random(6), 0, list[str]()
    while played < ROUNDS:
        name, mutation = chance.choice(names), chance.choice(MUTATIONS)
        before = (into / name).read_bytes()
        after = mutation(chance, before, (packs[1] / name).read_bytes())
        if after == before:
            continue
        (into / name).write_bytes(after)
        if mended:
            mend(into)
        played += 1
        missed += [] if is_found(into) else [f"{mutation.__name__} {name}"]
        (into / name).write_bytes(before)
    return played, missed


def mend(folder: Path) -> None:
    sums = {name: pack.digest(chunks(Folder(folder), name)) for name in pack.LISTED}
    (folder / pack.SUMS).write_bytes(pack.written_sums(sums))


@pytest.mark.timeout(300)
def test_every_mutation_is_found_when_sums_are_left(packs: tuple[Path, Path], tmp_path: Path) -> None:
    assert not is_found(packs[0])
    assert play(packs, tmp_path / "pack", ALL, mended=False) == (ROUNDS, [])


@pytest.mark.timeout(300)
def test_every_mutation_of_what_is_proven_is_found_when_sums_are_made_to_fit(
    packs: tuple[Path, Path], tmp_path: Path
) -> None:
    assert play(packs, tmp_path / "pack", PROVEN, mended=True) == (ROUNDS, [])


def test_a_file_that_is_swapped_for_another_of_the_pack_is_found(packs: tuple[Path, Path], tmp_path: Path) -> None:
    missed = []
    for one, other in [(one, other) for one in ALL for other in ALL if one < other]:
        folder = tmp_path / f"{one}-{other}"
        shutil.copytree(packs[0], folder)
        (packs_one, packs_other) = ((packs[0] / name).read_bytes() for name in (one, other))
        (folder / one).write_bytes(packs_other)
        (folder / other).write_bytes(packs_one)
        missed += [] if is_found(folder) else [(one, other)]

    assert missed == []


@pytest.mark.timeout(300)
def test_a_zip_with_a_bit_flipped_never_passes_for_another_and_never_breaks_the_reader(
    packs: tuple[Path, Path], tmp_path: Path
) -> None:
    """A zip has bits that say nothing, such as times; whichever is flipped, what is verified is what was packed."""
    whole, path, chance = tmp_path / "whole.zip", tmp_path / "pack.zip", random.Random(7)
    zip_pack(packs[0], whole)
    before = whole.read_bytes()
    passed = 0
    for round_ in range(500):
        cut = before[: chance.randrange(len(before))] if round_ % 10 == 0 else before
        path.write_bytes(flipped(chance, cut or b"x", b""))
        if not is_found(path):
            passed += 1
            with zipfile.ZipFile(path) as archive:
                assert all(archive.read(name) == (packs[0] / name).read_bytes() for name in ALL)

    assert passed < 50
