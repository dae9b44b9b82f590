"""The auditor's tools over a log that is kept here: what it serves is verified and witnessed, what it lists is packed."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from pathlib import Path

from relay.core.errors import NotFound
from relay.core.notes import parse_key, parse_note
from relay.core.pack import KeyUse, PackedEntry
from relay.core.witnessing import Verdict
from relay.evidence.served import ServedLog
from relay.evidence.served_check import verify_served
from relay.evidence.verifying import Wanted, verify_pack
from relay.evidence.witness import Trust, look
from relay.evidence.witness_files import WitnessFiles
from relay.evidence.writing import Contents, PackWriter
from relay.vault.log_keys import verify
from tests.api.rig import ALICE, CAROL, Api
from tests.api.test_audit import listed, read, seal, the_head, the_key, unbundled

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def served(api: Api) -> ServedLog:
    async def fetch(path: str) -> bytes:
        answer = await api.ask("GET", f"/v1/audit/{path}")
        if answer.status_code == 404:
            raise NotFound
        assert answer.status_code == 200, answer.text
        return answer.content

    return ServedLog(fetch)


async def test_a_served_log_is_verified_and_witnessed_when_it_has_grown(api: Api, tmp_path: Path) -> None:
    await api.session()
    await seal(api)
    key, files, log = await the_key(api), WitnessFiles(tmp_path / "state"), served(api)
    first = await look(log, files, Trust([key], verify), None, NOW)
    await api.session(ALICE, CAROL)
    await seal(api)

    second = await look(log, files, Trust([key], verify), None, NOW)
    report = await verify_served(log, Wanted([key], verify), files.last())

    assert (first.verdict, second.verdict) == (None, Verdict.GREW)
    assert second.size > first.size > 0
    assert report.holds, report.lines()


async def test_a_pack_of_what_is_listed_is_verified_when_some_of_it_is_erased(api: Api, tmp_path: Path) -> None:
    session = await api.session()
    await api.session(ALICE, CAROL)
    await seal(api)
    await api.ask("DELETE", f"/v1/sessions/{session['id']}")
    await seal(api)
    note, head = parse_note((await read(api, "checkpoint")).text), await the_head(api)
    leaves = unbundled((await read(api, f"tile/entries/000.p/{head.size}")).content)
    entries = sorted(await listed(api), key=lambda entry: int(entry["index"]))[: head.size]
    uses = tuple(
        KeyUse(parse_key(k["key"]), k["first_at"], k["first_size"]) for k in (await read(api, "keys")).json()["data"]
    )

    with PackWriter(tmp_path / "pack", Contents(note, uses, {})) as writer:
        writer.add_leaves(leaves)
        writer.add_entries(_packed(entry, leaves) for entry in entries)
        writer.finish()
    report = verify_pack(tmp_path / "pack", Wanted([await the_key(api)], verify))

    assert report.holds, report.lines()
    assert not any("of 0 the leaf alone" in line for line in report.lines())


def _packed(entry: dict[str, object], leaves: bytes) -> PackedEntry:
    index, record, salt = int(str(entry["index"])), entry["record"], entry["salt"]
    if record is None:
        return PackedEntry(index, None, None, leaves[index * 32 : index * 32 + 32])
    return PackedEntry(index, str(record).encode(), base64.b64decode(str(salt)))
