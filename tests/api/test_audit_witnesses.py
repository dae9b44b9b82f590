"""Witnesses over HTTP: who makes them known, whose signatures are taken, and what everybody sees of it."""

from __future__ import annotations

import io
import re
import zipfile
from typing import Any

import pytest

from relay.core.cosigning import MOST_WITNESSES
from relay.core.model import Scope
from relay.core.notes import Note, parse_note, proven
from relay.evidence.verifying import Wanted, verify_pack
from relay.vault.log_keys import verify
from relay.web.sealed_log import SealedLog
from tests.api.answers import problem_in
from tests.api.rig import ALICE, BOB, CAROL, Api
from tests.api.test_audit import read, seal, the_key
from tests.evidence.logs import WitnessKey, made_of, witness_named
from tests.web.browser import audit_key, browser

ANN, BEN = witness_named("ann.example/w"), witness_named("ben.example/w")
HANDED_IN = "/v1/audit/cosignatures"


async def known(api: Api, witness: WitnessKey) -> dict[str, Any]:
    return await api.made("/v1/audit/witnesses", {"key": witness.public.written()})


async def head(api: Api) -> Note:
    return parse_note((await read(api, "checkpoint")).text)


async def now(api: Api) -> int:
    return int((await api.rig.relay.database.now()).timestamp())


async def hand_in(api: Api, note: Note, key: str | None = None) -> Any:
    return await api.ask("POST", HANDED_IN, {"checkpoint": note.written()}, key=key or api.key)


async def refused(api: Api, note: Note) -> str:
    answer = await hand_in(api, note)
    assert answer.status_code == 422, answer.text
    return str(problem_in(answer)["errors"][0]["code"])


async def page(api: Api) -> str:
    async with browser(api.rig, SealedLog(api.rig.relay.audit_page)) as somebody:
        await somebody.log_in(await audit_key(api.rig))
        return re.sub(r"\s+", " ", (await somebody.get("/console/audit")).text)


async def test_what_witnesses_have_signed_is_served_shown_and_in_the_evidence(api: Api, tmp_path: Any) -> None:
    """The whole life: two witnesses, the one ahead of the other, and each older head left where it is."""
    await api.session()
    await seal(api)
    auditor = await api.new_key(Scope.AUDIT)
    ann, ben = await known(api, ANN), await known(api, BEN)
    nobody_yet = await page(api)
    missing = await api.ask("GET", "/v1/audit/checkpoint?witnessed=true")
    small, at = await head(api), await now(api)
    first = await hand_in(api, ANN.under(small, at - 240), key=auditor)
    await api.session(ALICE, CAROL)
    await seal(api)
    large = await head(api)
    await hand_in(api, BEN.under(large, at - 120))
    older = await hand_in(api, BEN.under(small, at))
    earlier = await hand_in(api, BEN.under(large, at - 180))
    apart = parse_note((await read(api, "checkpoint?witnessed=true")).text)
    await hand_in(api, ANN.under(large, at - 60))
    together = parse_note((await read(api, "checkpoint?witnessed=true")).text)
    shown = await page(api)

    assert "no witness has cosigned it" in nobody_yet
    assert missing.status_code == 404
    assert [(w["id"], w["name"], w["size"]) for w in first.json()["data"]] == [
        (ann["id"], "ann.example/w", size(small))
    ]
    for answer in (older, earlier):
        assert [(w["id"], w["size"]) for w in answer.json()["data"]] == [(ben["id"], size(large))]
        assert answer.json()["data"][0]["signed_at"] == (await listed(api))[BEN]["signed_at"]
    assert apart == BEN.under(large, at - 120)
    assert {one.key for one in proven(together, [ANN.public, BEN.public, await the_key(api)], verify)} == {
        *(ANN.public, BEN.public),
        await the_key(api),
    }
    assert f"witnessed by ann.example/w to entry {size(large) - 1}, 1 minute ago" in shown
    assert f"witnessed by ben.example/w to entry {size(large) - 1}, 2 minutes ago" in shown
    await in_the_pack(api, tmp_path / "pack.zip", together)


def size(note: Note) -> int:
    return int(note.text.split("\n")[1])


async def listed(api: Api) -> dict[WitnessKey, dict[str, Any]]:
    found = {w["key"]: w for w in (await read(api, "witnesses")).json()["data"]}
    return {one: found[one.public.written()] for one in (ANN, BEN)}


async def in_the_pack(api: Api, path: Any, cosigned: Note) -> None:
    export = await api.made("/v1/audit/exports", {})
    await api.ask("DELETE", f"/v1/audit/witnesses/{(await listed(api))[ANN]['id']}")
    packed = (await api.http.get(export["download"]["url"])).content  # as it was when it was asked for
    path.write_bytes(packed)
    key = await the_key(api)
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert archive.read("cosigned").decode() == cosigned.written()
    for witnesses, holds in (([], True), ([ANN.public], True), ([witness_named("eve.example").public], False)):
        report = verify_pack(path, Wanted([key], verify, witnesses=witnesses))
        assert report.holds is holds, report.lines()


async def test_nothing_is_taken_that_is_not_of_this_log_or_no_witness_s(api: Api) -> None:
    await api.session()
    await seal(api)
    await known(api, ANN)
    other = await api.other_account()
    await seal(other)
    note, at = await head(api), await now(api)
    forger = witness_named(ANN.public.name, "a forger's secret")

    assert await refused(api, ANN.under(await head(other), at)) == "not_our_head"
    assert await refused(api, ANN.under(made_of(3).head(), at)) == "not_our_head"
    assert await refused(api, BEN.under(note, at)) == "unknown_witness"
    assert await refused(api, forger.under(note, at)) == "unknown_witness"
    assert await refused(api, ANN.under(note, at + 3600)) == "dated_ahead"
    assert await refused(other, ANN.under(note, at)) == "not_our_head"
    assert (await api.ask("GET", "/v1/audit/checkpoint?witnessed=true")).status_code == 404
    assert (await read(api, "witnesses")).json()["data"][0]["size"] is None


async def test_a_head_is_not_taken_when_the_log_signed_it_and_holds_something_else(api: Api) -> None:
    """What a database that was put back from an old copy, and went another way, would have signed."""
    await api.session()
    await seal(api)
    await known(api, ANN)
    note, at = await head(api), await now(api)
    changed = "update audit_tile set hashes = set_byte(hashes, 0, 255 - get_byte(hashes, 0)) where level = -1"
    await api.rig.rows(changed)

    assert await refused(api, ANN.under(note, at)) == "not_our_head"


async def test_the_page_warns_when_the_log_was_signed_anew_below_what_a_witness_has_seen(api: Api) -> None:
    """Only the witness's word can tell: the owner of the database has made everything else fit again."""
    await api.session(BOB, CAROL)
    await seal(api)
    await known(api, ANN)
    note, at = await head(api), await now(api)
    assert (await hand_in(api, ANN.under(note, at))).status_code == 200
    before = await page(api)
    await rewritten(api)
    after = await page(api)

    assert "Verified to entry" in before
    assert f"does not fit the head that ann.example/w has cosigned to entry {size(note) - 1}" in after


async def rewritten(api: Api) -> None:
    """The log from its beginning, with other salts: sealed and signed by the very same keys."""
    for statement in (
        "delete from sealed_event", "delete from sealing", "delete from audit_entry", "delete from audit_tile",
        "update audit_tree set size = 0, checkpoint = null, signed_at = null",
    ):  # fmt: skip
        await api.rig.rows(statement)
    await seal(api)


async def test_a_witness_is_known_once_and_not_too_many_are(api: Api) -> None:
    await known(api, ANN)
    again = await api.ask("POST", "/v1/audit/witnesses", {"key": ANN.public.written()})
    for n in range(MOST_WITNESSES - 1):
        await known(api, witness_named(f"w{n}.example"))
    full = await api.ask("POST", "/v1/audit/witnesses", {"key": BEN.public.written()})

    assert (again.status_code, problem_in(again)["code"]) == (409, "witness_known")
    assert (full.status_code, problem_in(full)["code"]) == (409, "too_many_witnesses")


@pytest.mark.parametrize("asked", ["witnessed=yes", "witnessed=", "witnessed=true&x=1"])
async def test_a_question_for_the_witnessed_head_that_cannot_be_read_is_refused(api: Api, asked: str) -> None:
    assert (await api.ask("GET", f"/v1/audit/checkpoint?{asked}")).status_code == 422
