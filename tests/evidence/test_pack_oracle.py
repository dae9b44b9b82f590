"""pymerkle, which is not ours, as the judge of a pack: from its leaves it finds the root that is signed, and from its entries its
leaves. Skipped where the package (extra ``oracles``) is not installed.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import pytest

from relay.core import pack
from tests.evidence.logs import entry_at, erased, made_of, write_pack

pytestmark = pytest.mark.oracle
pymerkle = pytest.importorskip("pymerkle")


@pytest.mark.parametrize("size", [1, 255, 256, 257, 1000])
def test_it_finds_the_signed_root_from_the_entries_of_a_pack(tmp_path: Path, size: int) -> None:
    some = [erased(entry_at(n)) if n % 4 == 1 else entry_at(n) for n in range(size)]
    folder = write_pack(tmp_path / "pack", made_of(size), entries=some)
    tree = pymerkle.InmemoryTree("sha256")
    for line in (folder / pack.ENTRIES).read_text().splitlines():
        said = json.loads(line)
        salted = base64.b64decode(said["salt"]) + said["record"].encode() if "record" in said else None
        tree.append_entry(base64.b64decode(said["leaf"]) if salted is None else hashlib.sha256(salted).digest())

    assert base64.b64encode(tree.get_root()).decode() == (folder / pack.HEAD).read_text().split("\n")[2]
