"""One person asks what there is about them, or that it goes: found in every pool, with nothing of anybody else's."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from relay.core.data_class import DataClass
from relay.core.errors import InvalidInput, NotFound
from relay.core.ids import IdKind, Seed, public
from relay.core.keys import KeyName, Purpose
from relay.core.model import HoldReason
from relay.core.phone import Phone
from relay.core.subject import OperatorReason, RequestKind
from relay.services.subjects import Request, SubjectWanted
from relay.storage import sealed
from relay.storage.database import Database
from relay.vault import keyring, keyring_file
from relay.vault.sealing import Sealed
from relay.wiring import open_keyring
from tests.services.dying import dies_while_forgetting
from tests.services.keeping import Watcher, upkeep
from tests.services.people import ALICE, BOB, CAROL, STRANGER, numbers, phone
from tests.services.rig import Rig, Talk, make_rig, proxy_of, start_talk
from tests.services.verifying import PRIVACY, SESSION, proof, start

ACCESS, ERASURE = RequestKind.ACCESS, RequestKind.ERASURE
WHY = OperatorReason.LEGAL_REPRESENTATIVE
DAY = 86400


@pytest.fixture
async def rig(db: Database, tmp_path: Path) -> Rig:
    """Without the observer of moves, who misses what is erased."""
    path = tmp_path / "keyring.json"
    keyring_file.save_new(keyring.make(), path)
    await open_keyring(db, path, may_make=False)
    return await make_rig(db, keyring=path)


async def ask(
    rig: Rig, kind: RequestKind, e164: str = ALICE, *, token: str | None = None, seed: Seed | None = None
) -> Request:
    wanted = SubjectWanted(kind, Phone.parse(e164), token, None if token else WHY)
    return await rig.relay.subjects.ask(rig.account, wanted, key_id=uuid4(), seed=seed or await rig.seed())


async def access(rig: Rig, e164: str = ALICE) -> dict[str, Any]:
    """What a person gets."""
    found: dict[str, Any] = json.loads(await rig.relay.subjects.download((await ask(rig, ACCESS, e164)).id))
    return found


async def hold(talk: Talk) -> None:
    rig = talk.rig
    by, seed = rig.account.id, await rig.seed()
    await rig.relay.holds.place(rig.account, talk.id, HoldReason.LEGAL_CLAIM, key_id=by, seed=seed)


async def grown(rig: Rig, talk: Talk, count: int) -> None:
    """So many more texts both ways, as a busy month would leave them: none of them waits."""
    one, other = (p.id for p in talk.view.participants)
    await rig.rows(
        "insert into message (bucket, id, account_id, session_id, kind, from_participant, to_participant, leg_no, state, reason,"
        " segments, attempts, received_at, changed_at, accepted_at, delivered_at)"
        " select m.bucket, gen_random_uuid(), m.account_id, m.session_id, 'relay', case n % 2 when 0 then $2::uuid else $3 end,"
        " case n % 2 when 0 then $3::uuid else $2 end, 100 + n, case n % 3 when 0 then 'delivered' else 'accepted' end, null,"
        " 1 + n % 4, 1, m.received_at + n * interval '7 s', now(), now(), case n % 3 when 0 then now() end"
        " from (select * from message where session_id = $1 limit 1) as m, generate_series(1, $4) as n returning 1",
        talk.id,
        one,
        other,
        count,
    )


async def test_a_person_of_many_sessions_gets_what_a_full_scan_finds_and_loses_all_of_it(
    rig: Rig, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who sits where is the test's own record, checked by opening every sealed phone; nothing is looked for by an index."""
    pools = [await rig.pool(f"pool {n}", numbers(25, start=25 * n)) for n in range(2)]
    own: dict[UUID, UUID] = {}  # session -> her participant
    for n in range(50):
        pair = (ALICE, phone(n)) if n % 2 else (phone(n), ALICE)
        talk = await start_talk(
            rig, pool=pools[n % 2], one=pair[0], other=pair[1], metadata={"n": str(n)}, cool_down=DAY
        )
        own[talk.id] = talk.view.participants[pair.index(ALICE)].id
        for slot in (1, 2, 1, 2):
            await talk.say("hello", slot=slot)
        await grown(rig, talk, 196)
        if n % 5 == 0:
            await rig.relay.sessions.close(rig.account, talk.id)
    stranger = await start_talk(rig, pool=pools[0], one=BOB, other=CAROL, metadata={"n": "others"})
    await stranger.say("hello")
    await grown(rig, stranger, 500)
    await opened_phones_agree(rig, own)
    expected = await scanned(rig, own)
    others = await rows_of_others(rig, own)

    began = time.monotonic()
    found = await access(rig)
    seconds_of_access = time.monotonic() - began
    said = {s["id"]: s for s in found["sessions"]}
    began = time.monotonic()
    await ask(rig, ERASURE)
    seconds_of_erasure = time.monotonic() - began
    with capsys.disabled():
        print(f"\n10,000 messages, 50 sessions: access {seconds_of_access:.1f} s, erasure {seconds_of_erasure:.1f} s")

    assert sum(len(s["messages"]) for s in said.values()) == 10_000
    assert said == expected
    assert len(found["numbers"]) == 50
    assert await rows_of_others(rig, own) == others
    theirs = list(own)
    assert await rig.value("select count(*) from message where session_id = any ($1)", theirs) == 0
    assert await rig.value("select count(*) from outbox where session_id = any ($1)", theirs) == 0
    assert await rig.value("select count(*) from participant where session_id = any ($1) and label <> ''", theirs) == 0
    left = await rig.rows("select status, metadata, unique_name, close_reason from session where id = any ($1)", theirs)
    assert left == [{"status": "closed", "metadata": {}, "unique_name": None, "close_reason": "erased"}] * 50
    assert await rig.value("select count(*) from privacy_export") == 0
    assert max(seconds_of_access, seconds_of_erasure) < 300


async def opened_phones_agree(rig: Rig, own: dict[UUID, UUID]) -> None:
    """Every phone that is there is opened: hers stand where the record says, and nowhere else."""
    rows = await rig.rows(
        "select id, session_id, sealed_phone, epoch_id from participant where sealed_phone is not null"
    )
    envelopes = rig.relay.vault.envelopes
    hers = set()
    for row in rows:
        sealed_phone = sealed_value(row["sealed_phone"], row["epoch_id"])
        participant_id = row["id"]
        assert isinstance(participant_id, UUID)
        if envelopes.open_phone(rig.account.id, participant_id, sealed_phone) == ALICE:
            hers.add((row["session_id"], participant_id))
    assert hers == {(s, p) for s, p in own.items() if s in {row["session_id"] for row in rows}}
    assert len(hers) == 40


def sealed_value(data: object, key_id: object) -> Sealed:
    assert isinstance(data, bytes)
    assert isinstance(key_id, int)
    return Sealed(data, key_id)


async def scanned(rig: Rig, own: dict[UUID, UUID]) -> dict[str, Any]:
    """Her sessions as the document should show them, from every row of the tables."""
    messages: list[dict[str, Any]] = await rig.rows("select * from message where session_id is not null")
    numbers_by_id = {row["id"]: row["e164"] for row in await rig.rows("select id, e164 from number")}
    seats = {row["id"]: row for row in await rig.rows("select * from participant")}
    texts: dict[UUID, list[dict[str, Any]]] = defaultdict(list)
    for m in sorted(messages, key=lambda m: m["id"].bytes):
        mine = own.get(m["session_id"])
        if mine in (m["from_participant"], m["to_participant"]) and mine is not None:
            texts[m["session_id"]].append(
                {
                    "id": public(IdKind.MESSAGE, m["id"]),
                    "direction": "sent" if m["from_participant"] == mine else "received",
                    **{name: m[name] for name in ("kind", "state", "reason", "segments")},
                    **{name: at(m[name]) for name in ("received_at", "accepted_at", "delivered_at")},
                }
            )
    found = {}
    for s in await rig.rows("select * from session"):
        session_id: Any = s["id"]
        if session_id in own:
            seat = seats[own[session_id]]
            found[public(IdKind.SESSION, session_id)] = {
                "id": public(IdKind.SESSION, session_id),
                "label": seat["label"],
                "proxy_number": numbers_by_id[seat["number_id"]],
                "phone_held": seat["sealed_phone"] is not None,
                **{name: s[name] for name in ("status", "unique_name", "metadata", "close_reason")},
                **{name: at(s[name]) for name in ("created_at", "expires_at", "last_message_at", "closed_at")},
                "messages": texts[session_id],
            }
    return found


def at(value: object) -> str | None:
    return f"{value:%Y-%m-%dT%H:%M:%SZ}" if isinstance(value, datetime) else None


async def rows_of_others(rig: Rig, own: dict[UUID, UUID]) -> list[object]:
    """Every row that names another session."""
    ids = list(own)
    return [
        await rig.rows(f"select * from {table} where {column} <> all ($1) order by {order}", ids)
        for table, column, order in (
            ("session", "id", "id"),
            ("participant", "session_id", "id"),
            ("message", "session_id", "id"),
            ("outbox", "session_id", "message_id"),
            ("binding", "session_id", "number_id, party_index"),
        )
    ]


async def test_everything_else_that_is_known_is_in_the_document(rig: Rig) -> None:
    talk = await start_talk(rig, cool_down=DAY)
    await talk.say("STOP")
    await talk.say("are you there?", slot=2)
    await rig.relay.sessions.close(rig.account, talk.id)
    await talk.say("too late", slot=2)
    await rig.send_all(talk.bucket)
    started = await start(rig, talk.pool, ALICE, PRIVACY)
    await start(rig, talk.pool, BOB, PRIVACY)
    hers, his = await access(rig), await access(rig, BOB)

    assert hers["sessions"][0]["messages"] == []  # her STOP has no session, and what the other wrote reached nobody
    assert sorted((m["direction"], m["kind"]) for m in his["sessions"][0]["messages"]) == [
        ("received", "notice"),
        ("received", "notice"),
        ("sent", "relay"),
        ("sent", "relay"),
    ]
    assert (hers["opted_out"], his["opted_out"]) == (True, False)
    assert hers["opt_out_changed_at"]
    assert [v["id"] for v in hers["verifications"]] == [public(IdKind.VERIFICATION, started.id)]
    assert [(n["number"], n["session"]) for n in hers["numbers"]] == [(talk.proxy(1), public(IdKind.SESSION, talk.id))]
    assert [(a["number"], a["kind"]) for a in his["automatic_answers"]] == [
        (talk.proxy(2), kind) for kind in [a["kind"] for a in his["automatic_answers"]]
    ]
    assert his["automatic_answers"]
    assert [m["kind"] for m in his["other_messages"]] == ["code"]
    assert len((await access(rig))["copies"]) == 1


async def test_nothing_of_the_other_is_in_the_document(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("STOP", slot=2)
    await talk.say("are you there?")
    other = talk.view.participants[1]
    document = json.dumps(await access(rig))
    texts = (await access(rig))["sessions"][0]["messages"]

    for theirs in (public(IdKind.PARTICIPANT, other.id), f'"{other.label}"', BOB, ALICE):
        assert theirs.strip("+") not in document
    assert [(m["kind"], m["state"], m["reason"]) for m in texts if m["direction"] == "sent"] == [
        ("relay", "refused", "unknown")  # not that the other has opted out
    ]


async def test_an_unknown_phone_is_answered_like_a_known_one(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("hello")
    known, unknown = [await ask(rig, ACCESS, ALICE)], [await ask(rig, ACCESS, STRANGER)]
    empty = json.loads(await rig.relay.subjects.download(unknown[0].id))
    known, unknown = [*known, await ask(rig, ERASURE, ALICE)], [*unknown, await ask(rig, ERASURE, STRANGER)]

    def bare(request: Request) -> Request:
        same = known[0]
        until = request.download_until and same.download_until
        return replace(request, id=same.id, asked_at=same.asked_at, download_until=until)

    assert [bare(r) for r in known] == [bare(r) for r in unknown]
    assert [value for value in empty.values() if value] == []


async def test_an_erasure_is_finished_by_upkeep_when_its_process_was_killed(rig: Rig) -> None:
    talks = [await start_talk(rig, one=ALICE, other=BOB)]
    talks.append(await start_talk(rig, pool=await rig.pool("other", numbers(3, start=10)), one=CAROL, other=ALICE))
    for talk in talks:
        await talk.say("hello")
        await rig.send_all(talk.bucket)
    await dies_while_forgetting(rig, ask(rig, ERASURE))
    begun = await rig.rows("select distinct close_reason from session order by 1")
    before = await rig.value("select count(*) from message")
    await upkeep(rig)

    assert begun == [{"close_reason": "erased"}, {"close_reason": None}]
    assert (before, await rig.value("select count(*) from message")) == (2, 0)
    assert await rig.rows("select parties from privacy_request") == [{"parties": None}]
    assert await rig.rows("select distinct close_reason from session") == [{"close_reason": "erased"}]
    assert await Watcher(rig).look() == []


async def test_a_held_session_is_left_out_and_an_opt_out_stays_when_a_person_is_erased(rig: Rig) -> None:
    talk = await start_talk(rig, cool_down=DAY)
    held = await start_talk(rig, pool=talk.pool, one=ALICE, other=CAROL, metadata={"order": "991"})
    await held.say("hello")
    await talk.say("STOP")
    await hold(held)
    await ask(rig, ERASURE)

    sessions = {row["id"]: row["status"] for row in await rig.rows("select id, status from session")}
    assert sessions == {talk.id: "closed", held.id: "open"}
    assert await rig.rows("select session_id from message where session_id is not null") == [{"session_id": held.id}]
    assert (await rig.relay.sessions.read(rig.account, held.id)).session.metadata == {"order": "991"}
    assert await rig.value("select count(*) from suppression where opted_out") == 1
    assert await rig.value("select count(*) from binding where session_id = $1", talk.id) == 2


async def test_a_proof_is_good_for_one_request_of_this_phone(rig: Rig) -> None:
    talk = await start_talk(rig)
    token, for_sessions = await proof(rig, talk.pool, ALICE, PRIVACY), await proof(rig, talk.pool, BOB, SESSION)
    seed = await rig.seed()
    first, again = [await ask(rig, ACCESS, token=token, seed=seed) for _ in range(2)]
    refusals = []
    for e164, given in ((ALICE, token), (BOB, token), (BOB, for_sessions), (ALICE, "made up")):
        with pytest.raises(InvalidInput) as caught:
            await ask(rig, ERASURE, e164, token=given)
        refusals.append((caught.value.code, caught.value.problems))

    assert first == again
    assert refusals == [refusals[0]] * 4
    assert refusals[0][0] == "verification_token_invalid"
    assert (await rig.relay.sessions.read(rig.account, talk.id)).session.status == "open"
    assert await rig.rows("select type, reason from event where type like 'privacy.%'") == [
        {"type": "privacy.access", "reason": None}
    ]


async def test_a_proof_taken_unseen_is_taken_again_by_the_same_request_only(rig: Rig) -> None:
    """The process died after it took the proof and before it wrote the request."""
    talk = await start_talk(rig)
    token, seed = await proof(rig, talk.pool, ALICE, PRIVACY), await rig.seed()
    await rig.rows("update verification set used_by = $1 returning 1", seed.id_in(rig.account.bucket))
    with pytest.raises(InvalidInput):
        await ask(rig, ERASURE, token=token)
    done = await ask(rig, ERASURE, token=token, seed=seed)
    again = await ask(rig, ERASURE, token=token, seed=seed)

    assert done == again
    assert await rig.value("select count(*) from verification") == 0
    assert await rig.value("select count(*) from event where type = 'privacy.erasure'") == 1


async def test_a_person_is_found_under_an_index_of_an_older_key(rig: Rig) -> None:
    talk = await start_talk(rig, expires_in=9 * DAY)
    await talk.say("hello")
    await rig.relay.rotation.rotate([Purpose.INDEX])
    rig.later(hours=1)
    for _ in range(2):
        await rig.relay.rotation.learn()
    found = await access(rig)
    await ask(rig, ERASURE)

    assert len(rig.relay.vault.indexes.of(rig.account.id, ALICE).others) == 1
    assert len(found["sessions"]) == 1
    assert await rig.value("select count(*) from message") == 0


async def test_a_copy_is_gone_after_seven_days_and_keeps_its_key_until_then(rig: Rig) -> None:
    await start_talk(rig, expires_in=9 * DAY)
    made = await ask(rig, ACCESS)
    bucket, key = rig.account.bucket, KeyName(Purpose.TRANSIT, 1)

    async def left() -> int:
        async with rig.relay.database.transaction() as tx:
            return await sealed.left(tx, bucket, key)

    rig.later(days=7, seconds=-60)
    await upkeep(rig)
    while_kept = await left(), await rig.relay.subjects.read(rig.account, made.id)
    assert await rig.relay.subjects.download(made.id)
    rig.later(seconds=61)
    with pytest.raises(NotFound):
        await rig.relay.subjects.download(made.id)
    at_its_end = await rig.relay.subjects.read(rig.account, made.id)
    await upkeep(rig)

    assert while_kept == (1, made)
    assert at_its_end == replace(made, download_until=None)
    assert await left() == 0
    assert await Watcher(rig).look(await rig.relay.database.now()) == []


async def test_copies_go_when_the_person_is_erased(rig: Rig) -> None:
    await start_talk(rig)
    hers, his = await ask(rig, ACCESS, ALICE), await ask(rig, ACCESS, BOB)
    await ask(rig, ERASURE, ALICE)

    with pytest.raises(NotFound):
        await rig.relay.subjects.download(hers.id)
    assert await rig.relay.subjects.download(his.id)


async def test_a_request_is_unknown_when_it_is_not_the_accounts(rig: Rig) -> None:
    made = await ask(rig, ACCESS)
    stranger = replace(rig.account, id=uuid4())
    for account, request_id in ((stranger, made.id), (rig.account, uuid4())):
        with pytest.raises(NotFound):
            await rig.relay.subjects.read(account, request_id)


async def test_somebody_at_the_machine_sees_the_same_and_it_is_noted(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("hello")
    shown = await rig.relay.subjects.show(rig.account, Phone.parse(ALICE), reason=WHY, seed=await rig.seed())

    assert shown == await access(rig)
    assert await rig.value("select count(*) from privacy_export") == 1
    assert await rig.value("select count(*) from event where type = 'privacy.access'") == 2
    assert DataClass.EXPORT in {h.data_class for h in (await rig.relay.retention.report()).holdings if h.held}
    assert shown["sessions"][0]["proxy_number"] == proxy_of(talk.view, 1)
