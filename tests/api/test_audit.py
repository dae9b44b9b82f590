"""The log over HTTP: a stranger with a key of the API and one of the log checks everything; what was erased is told to nobody."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from relay.core import merkle
from relay.core.entries import decoded, leaf_of
from relay.core.inclusion import check_proof, parse_proof
from relay.core.merkle import check_consistency, leaf_hash
from relay.core.model import Scope
from relay.core.notes import Checkpoint, NoteKey, parse_checkpoint, parse_key, parse_note, proven
from relay.core.tiles import ENTRIES, Place, hashes_in, split, tiles_between
from relay.vault.log_keys import verify
from tests.api.answers import problem_in
from tests.api.rig import ALICE, BOB, CAROL, Api


async def seal(api: Api) -> None:
    while await api.rig.relay.audit_log.seal(api.rig.account.bucket):
        pass


async def read(api: Api, path: str) -> Any:
    answer = await api.ask("GET", f"/v1/audit/{path}")
    assert answer.status_code == 200, answer.text
    return answer


async def listed(api: Api, **asked: object) -> list[dict[str, Any]]:
    """All entries that are listed for this question, page by page."""
    words = "".join(f"&{name}={quote(str(value))}" for name, value in asked.items())
    page = (await read(api, f"entries?limit=7{words}")).json()
    found = list(page["data"])
    while page["next_cursor"]:
        page = (await read(api, f"entries?limit=7{words}&cursor={page['next_cursor']}")).json()
        found += page["data"]
    return found


async def the_key(api: Api) -> NoteKey:
    (key,) = (await read(api, "keys")).json()["data"]
    return parse_key(key["key"])


async def the_head(api: Api) -> Checkpoint:
    note = parse_note((await read(api, "checkpoint")).text)
    proven(note, [await the_key(api)], verify)
    return parse_checkpoint(note.text)


def salt_and_record(entry: dict[str, Any]) -> tuple[bytes, bytes]:
    return base64.b64decode(entry["salt"]), entry["record"].encode()


def unbundled(bundle: bytes) -> bytes:
    """The leaves of an entry bundle, each of which stands behind its length."""
    assert all(bundle[n : n + 2] == b"\x00\x20" for n in range(0, len(bundle), 34))
    return b"".join(bundle[n + 2 : n + 34] for n in range(0, len(bundle), 34))


async def test_every_entry_is_proved_to_a_stranger_who_has_the_logs_key(api: Api) -> None:
    await api.session()
    await seal(api)
    key = await the_key(api)
    entries = await listed(api)

    assert len(entries) >= 6
    for entry in entries:
        proof = (await read(api, f"proof?entry={entry['id']}")).text
        check_proof(parse_proof(proof), leaf_of(*salt_and_record(entry)), key.name, key, verify)
        assert decoded(entry["record"].encode())["id"] == entry["id"]


async def test_the_tiles_lead_to_the_head_and_hold_every_listed_entry(api: Api) -> None:
    await api.session()
    await seal(api)
    head, kept = await the_head(api), dict[Place, bytes]()
    for tile in tiles_between(0, head.size):
        answer = await read(api, f"tile/{tile.path()}")
        assert answer.headers["content-type"] == "application/octet-stream"
        if tile.level == ENTRIES:
            kept[tile.place] = unbundled(answer.content)
        elif tile.level == 0:
            assert answer.content == b"".join(map(leaf_hash, split(kept[tile.place])))
        else:
            kept[tile.place] = answer.content
    assert merkle.root(head.size, hashes_in(kept)) == head.root
    leaves = {entry["index"]: leaf_of(*salt_and_record(entry)) for entry in await listed(api)}

    assert leaves == dict(enumerate(split(kept[Place(ENTRIES, 0)])))


async def test_an_older_head_is_the_beginning_of_a_newer_one(api: Api) -> None:
    await seal(api)
    older = await the_head(api)
    await api.session(ALICE, CAROL)
    await seal(api)
    newer = await the_head(api)
    bundle = (await read(api, f"tile/entries/000.p/{newer.size}")).content
    kept = {Place(ENTRIES, 0): unbundled(bundle)}
    path = merkle.proof(merkle.consistency_spans(older.size, newer.size), hashes_in(kept))

    check_consistency(older.size, older.root, newer.size, newer.root, path)
    assert (await read(api, f"tile/0/000.p/{older.size}")).content == b"".join(
        leaf_hash(leaf) for leaf in split(kept[Place(ENTRIES, 0)])[: older.size]
    )


async def test_entries_are_found_by_session_type_reason_and_time(api: Api) -> None:
    one, other = await api.session(), await api.session(ALICE, CAROL)
    await api.made(f"/v1/sessions/{one['id']}/close", {})
    await seal(api)

    def told(entries: list[dict[str, Any]]) -> list[str]:
        return [str(decoded(entry["record"].encode())["event"]) for entry in entries]

    of_one = await listed(api, session=one["id"])
    reference = decoded(of_one[0]["record"].encode())["session"]
    assert told(of_one) == ["session.closed", "session.opened"]
    assert await listed(api, session=reference) == of_one
    assert told(await listed(api, session=other["id"])) == ["session.opened"]
    assert told(await listed(api, session=one["id"], type="session.opened")) == ["session.opened"]
    assert of_one[0] in await listed(api, reason="api")
    assert set(told(await listed(api, reason="api"))) == {"session.closed"}
    assert await listed(api, since="2999-01-01T00:00:00Z") == await listed(api, until="2000-01-01T00:00:00Z") == []
    assert len(await listed(api, since="2000-01-01T00:00:00+02:00")) == len(await listed(api))


async def test_an_erased_session_is_still_counted_and_says_nothing(api: Api) -> None:
    session = await api.session()
    await seal(api)
    before = await listed(api, session=session["id"])
    await api.ask("DELETE", f"/v1/sessions/{session['id']}")
    await seal(api)
    erased = [entry for entry in await listed(api) if entry["id"] == before[0]["id"]]

    assert [(entry["salt"], entry["record"]) for entry in erased] == [(None, None)]
    left = [decoded(entry["record"].encode())["event"] for entry in await listed(api, session=session["id"])]
    assert left == ["session.erased"]
    proof = parse_proof((await read(api, f"proof?entry={before[0]['id']}")).text)
    key = await the_key(api)
    check_proof(proof, leaf_of(*salt_and_record(before[0])), key.name, key, verify)


async def test_a_log_says_nothing_before_something_is_sealed(api: Api) -> None:
    other = await api.other_account()

    assert (await other.ask("GET", "/v1/audit/checkpoint")).status_code == 404
    assert (await other.ask("GET", "/v1/audit/tile/0/000.p/1")).status_code == 404
    assert await listed(other) == (await read(other, "keys")).json()["data"] == []


async def test_another_accounts_entries_are_nobodys(api: Api) -> None:
    session = await api.session(BOB, CAROL)
    await seal(api)
    (entry, *_) = await listed(api, session=session["id"])
    other = await api.other_account()
    await seal(other)
    unknown = await other.ask("GET", f"/v1/audit/proof?entry={uuid4().hex}", x_request_id="same")
    foreign = await other.ask("GET", f"/v1/audit/proof?entry={entry['id']}", x_request_id="same")

    assert await listed(other, session=session["id"]) == []
    assert (foreign.status_code, foreign.text) == (unknown.status_code, unknown.text)
    assert foreign.status_code == 404


@pytest.mark.parametrize("path", ["0/00", "0/000.p/0", "8/000", "0/000.p/256", "entries", "0/001", "entries/000.p/255"])
async def test_a_tile_that_there_is_not_is_not_found(api: Api, path: str) -> None:
    await seal(api)

    assert (await api.ask("GET", f"/v1/audit/tile/{path}")).status_code == 404


@pytest.mark.parametrize(
    "asked",
    [
        "entries?session=ses_x", "entries?type=Message", "entries?type=%3D1", "entries?reason=late%00", "entries?since=today",
        "entries?since=2026-01-01", "entries?until=0001-01-01T00:00:00%2B14:00", "entries?limit=0", "entries?cursor=x",
        "entries?phone=1", "proof", "proof?entry=ent_1", "proof?entry=%2B12025550177", "checkpoint?x=1",
    ],
)  # fmt: skip
async def test_a_question_that_cannot_be_read_is_refused(api: Api, asked: str) -> None:
    answer = await api.ask("GET", f"/v1/audit/{asked}")

    assert answer.status_code == 422
    assert problem_in(answer)


async def test_reading_is_an_event_once_an_hour_for_each_key(api: Api) -> None:
    first, second = await api.new_key(Scope.AUDIT), await api.new_key(Scope.AUDIT)
    counted = "select count(*) from event where type = 'audit.read' and account_id = $1"
    before = await api.rig.value(counted, api.rig.account.id)
    counts = []
    await seal(api)
    for key, later in ((first, 0), (first, 1800), (second, 0), (first, 1801), (second, 10)):
        api.rig.later(seconds=later)
        for path in ("checkpoint", "entries", "keys"):
            assert (await api.ask("GET", f"/v1/audit/{path}", key=key)).status_code == 200
        counts.append(int(str(await api.rig.value(counted, api.rig.account.id))) - int(str(before)))

    assert counts == [1, 1, 2, 3, 3]
