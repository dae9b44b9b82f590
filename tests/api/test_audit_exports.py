"""Exports over HTTP: who may ask, what is fetched by the link, and that the pack is verified whatever happened meanwhile."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from relay.api.audit_exports import pieces
from relay.api.downloads import Links
from relay.core.errors import EvidenceRefused
from relay.core.ids import IdKind, parse
from relay.core.model import Scope
from relay.evidence.report import Report
from relay.evidence.verifying import Wanted, verify_pack
from relay.storage.audit_exports import Export
from relay.vault.log_keys import verify
from tests.api.answers import problem_in, told
from tests.api.rig import ALICE, CAROL, PUBLIC_URL, Api, Log
from tests.api.test_audit import seal, the_head, the_key

EXPORTS = "/v1/audit/exports"


async def exported(api: Api, **asked: str) -> dict[str, Any]:
    await seal(api)
    return await api.made(EXPORTS, asked)


async def fetch(api: Api, path: str) -> httpx.Response:
    """As whoever has nothing but the link."""
    return await api.http.get(urlsplit(path).path)


async def verified(api: Api, content: bytes, folder: Path) -> Report:
    """The report of a pack that verifies."""
    (folder / "pack.zip").write_bytes(content)
    report = verify_pack(folder / "pack.zip", Wanted([await the_key(api)], verify))
    assert report.holds, report.lines()
    return report


def read(content: bytes, name: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read(name)


def entries(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in read(content, "entries.jsonl").splitlines()]


async def the_export(api: Api, made: dict[str, Any]) -> Export:
    return await api.rig.relay.audit_exports.read(api.rig.account, parse(IdKind.REQUEST, made["id"]))


async def test_an_export_is_fetched_by_its_link_alone_and_verified(api: Api, tmp_path: Path) -> None:
    await api.session()
    made = await exported(api)
    size = (await the_head(api)).size
    again = (await api.ask("GET", f"{EXPORTS}/{made['id']}")).json()
    answer = await fetch(api, made["download"]["url"])
    report = await verified(api, answer.content, tmp_path)

    assert made == again
    assert set(made) == {"id", "asked_at", "entries", "download"}
    assert made["download"]["url"].startswith(PUBLIC_URL + "/")
    assert (made["entries"], report.entries) == (size, size)
    assert (answer.headers["content-type"], answer.headers["cache-control"]) == ("application/zip", "no-store")
    assert answer.headers["content-disposition"] == f'attachment; filename="{made["id"]}.zip"'
    assert {row["class"] for row in json.loads(read(answer.content, "retention.json"))["data"]} >= {"audit_entry"}


async def test_a_pack_is_of_the_log_as_it_was_asked_for_though_it_has_grown(api: Api, tmp_path: Path) -> None:
    made = await exported(api)
    before = await fetch(api, made["download"]["url"])
    await api.session()
    await api.rig.pool("more", [])
    await seal(api)
    after = await fetch(api, made["download"]["url"])

    assert (await the_head(api)).size > made["entries"]
    assert before.content == after.content
    await verified(api, after.content, tmp_path)


async def test_erased_and_forgotten_entries_are_in_it_as_leaves(api: Api, tmp_path: Path) -> None:
    session = await api.session()
    await api.session(ALICE, CAROL)
    made = await exported(api)
    await api.ask("DELETE", f"/v1/sessions/{session['id']}")
    await api.rig.rows("delete from audit_entry where account_id = $1 and n < 2 returning n", api.rig.account.id)
    content = (await fetch(api, made["download"]["url"])).content

    await verified(api, content, tmp_path)
    assert ["leaf" in entry for entry in entries(content)][:2] == [True, True]
    assert 2 < sum("leaf" in entry for entry in entries(content)) < made["entries"]


async def grown(api: Api, count: int) -> None:
    """So many events more, sealed."""
    async with api.rig.relay.database.transaction() as tx:
        bucket = api.rig.account.bucket
        await tx.execute(
            "insert into event (bucket, id, account_id, type, at)"
            " select $1, id, $2, 'pool.ready', $3 from unnest($4::uuid[]) as t(id)",
            bucket, api.rig.account.id, tx.now, tx.new_ids(bucket, count),
        )  # fmt: skip
    await seal(api)


async def into(sent: list[bytes], running: AsyncIterator[bytes]) -> None:
    async for piece in running:
        sent.append(piece)


async def test_a_pack_is_verified_when_entries_are_erased_and_forgotten_while_it_is_sent(
    api: Api, tmp_path: Path
) -> None:
    """After the first entries have gone out: of those whose lines wait for the table, and of those that are still to come."""
    await grown(api, 2500)
    export = await the_export(api, await exported(api))
    running, sent, account = pieces(api.rig.relay, export), list[bytes](), api.rig.account.id
    for _ in range(5):  # three steps of leaves, two of entries
        sent.append(await anext(running))
    assert b'"record"' in b"".join(sent)
    await api.rig.rows(
        "update audit_entry set salt = null, record = null, type = null, reason = null, at = null, session_ref = null"
        " where account_id = $1 and n % 3 = 0 returning n",
        account,
    )
    await api.rig.rows("delete from audit_entry where account_id = $1 and n % 3 = 1 returning n", account)
    await into(sent, running)
    content = b"".join(sent)

    await verified(api, content, tmp_path)
    kept = ["record" in entry for entry in entries(content)]
    assert all(kept[:2048])
    assert not all(kept[2048:])


async def test_a_pack_of_a_time_is_the_run_that_holds_it(api: Api, tmp_path: Path) -> None:
    made = await exported(api)
    old = made["entries"]
    api.rig.later(days=2)
    await grown(api, 3)
    api.rig.later(days=2)
    await grown(api, 2)
    now = await api.rig.relay.database.now()
    since, until = ((now - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ") for days in (3, 1))
    week = await exported(api, since=since, until=until)
    nothing = await exported(api, until="2000-01-01T00:00:00Z")
    content = (await fetch(api, week["download"]["url"])).content
    about = json.loads(read(content, "pack.json"))

    await verified(api, content, tmp_path)
    assert [entry["index"] for entry in entries(content)] == list(range(about["first"], about["end"]))
    assert (about["since"], about["until"]) == (since, until)
    assert (about["first"], week["entries"]) >= (old, 3)
    assert about["end"] < about["size"]
    assert nothing["entries"] == 0
    await verified(api, (await fetch(api, nothing["download"]["url"])).content, tmp_path)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"since": "yesterday"}, "since"),
        ({"since": "2026-11-20T08:00:00"}, "since"),
        ({"since": "2026-11-20T08:00:00.5Z"}, "since"),
        ({"until": "1969-12-31T23:59:59Z"}, "until"),
        ({"until": "0001-01-01T00:00:00+14:00"}, "until"),
        ({"since": "2026-11-20T08:00:00Z", "until": "2026-11-20T09:00:00+01:00"}, "until"),
    ],
    ids=str,
)
async def test_a_time_that_cannot_be_read_is_refused(api: Api, asked: dict[str, str], field: str) -> None:
    await seal(api)
    answer = await api.ask("POST", EXPORTS, asked)

    assert answer.status_code == 422
    assert [problem["field"] for problem in problem_in(answer)["errors"]] == [field]


async def test_nothing_can_be_exported_before_something_is_sealed(api: Api) -> None:
    answer = await api.ask("POST", EXPORTS, {}, idempotency_key="early")
    await seal(api)
    later = await api.ask("POST", EXPORTS, {}, idempotency_key="early")

    assert (answer.status_code, problem_in(answer)["code"], answer.headers["retry-after"]) == (409, "log_empty", "5")
    assert later.status_code == 201


async def exports_told(api: Api) -> int:
    counted = "select count(*) from event where type = 'audit.exported' and account_id = $1 and bucket = $2"
    return int(str(await api.rig.value(counted, api.rig.account.id, api.rig.account.bucket)))


async def test_every_export_is_an_event_and_the_same_one_asked_twice_is_one(api: Api) -> None:
    key = await api.new_key(Scope.AUDIT)
    await seal(api)
    first, again = [await api.ask("POST", EXPORTS, {}, key=key, idempotency_key="once") for _ in range(2)]
    counts = [await exports_told(api)]
    await api.ask("POST", EXPORTS, {}, key=key)
    await fetch(api, first.json()["download"]["url"])
    counts.append(await exports_told(api))

    assert first.text == again.text
    assert counts == [1, 2]


async def test_an_export_is_another_accounts_business_to_nobody(api: Api) -> None:
    made = await exported(api)
    other = await api.other_account()
    foreign = await other.ask("GET", f"{EXPORTS}/{made['id']}", x_request_id="same")
    unknown = await other.ask("GET", f"{EXPORTS}/req_{'a' * 26}", x_request_id="same")

    assert (foreign.status_code, foreign.text) == (404, unknown.text)


async def test_a_link_is_answered_like_no_address_when_anything_is_wrong_with_it(api: Api) -> None:
    made = await exported(api)
    path = urlsplit(made["download"]["url"]).path
    base, token = path.rsplit("/", 1)
    export_id, now = parse(IdKind.REQUEST, made["id"]), await api.rig.relay.database.now()
    secret, later = api.rig.relay.vault.tokens.download_secret, now + timedelta(days=1)
    ours = Links(secret, "relay audit export")
    wrong = [
        *(token[:i] + ("A" if token[i] != "A" else "B") + token[i + 1 :] for i in range(len(token))),
        *(token[:-2], "x", "%00", "é"),
        Links(secret).write(export_id, later),  # good for a copy about a person, were there one of this id
        ours.write(export_id, now - timedelta(seconds=1)),
        ours.write(parse(IdKind.REQUEST, f"req_{'a' * 26}"), later),
    ]
    expected = told(await fetch(api, f"{base}/none"))

    assert expected[0] == 404
    for one in wrong:
        assert told(await fetch(api, f"{base}/{one}")) == expected, one
    assert told(await fetch(api, f"/v1/privacy/downloads/{token}")) == expected
    assert (await fetch(api, f"{base}/{ours.write(export_id, later)}")).status_code == 200
    api.rig.later(days=7)
    assert told(await fetch(api, f"{base}/{ours.write(export_id, later + timedelta(days=90))}")) == expected
    assert (await api.ask("GET", f"{EXPORTS}/{made['id']}")).status_code == 404


async def test_nothing_is_made_when_only_the_headers_are_asked_for(api: Api) -> None:
    """To make this one would fail."""
    made = await exported(api)
    await api.rig.rows(
        "update audit_tile set hashes = sha256(hashes) where account_id = $1 returning n", api.rig.account.id
    )
    answer = await api.http.head(urlsplit(made["download"]["url"]).path)

    assert (answer.status_code, answer.content, answer.headers["accept-ranges"]) == (200, b"", "none")
    assert "content-length" not in answer.headers


async def test_a_pack_breaks_off_when_what_is_kept_is_not_what_was_signed(api: Api, log: Log, tmp_path: Path) -> None:
    await grown(api, 300)
    export = await the_export(api, await exported(api))
    await api.rig.rows(
        "update audit_entry set record = replace(convert_from(record, 'UTF8'), 'pool.ready', 'pool.reody')::bytea"
        " where account_id = $1 and n = 200 returning n",
        api.rig.account.id,
    )
    sent = list[bytes]()
    with pytest.raises(EvidenceRefused):
        await into(sent, pieces(api.rig.relay, export))

    assert len(b"".join(sent)) > 32 * 300
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(io.BytesIO(b"".join(sent)))
    assert "export_broke_off" in log.text


async def test_an_export_is_forgotten_when_its_time_is_over(api: Api) -> None:
    made = await exported(api)
    exports, bucket = api.rig.relay.audit_exports, api.rig.account.bucket
    counted = "select count(*) from audit_export where account_id = $1"
    api.rig.later(days=7, seconds=-60)
    await exports.forget(bucket)
    before = await api.rig.value(counted, api.rig.account.id)
    api.rig.later(seconds=120)
    await exports.forget(bucket)

    assert (before, await api.rig.value(counted, api.rig.account.id)) == (1, 0)
    assert made["id"].startswith("req_")
