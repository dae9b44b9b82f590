"""What the panel reads from the tables, and the copies that the tour searches."""

from __future__ import annotations

from typing import Any

import pytest

from relay.core.errors import NotFound
from relay.core.ids import IdKind, public
from relay.sandbox.kept import kept_json
from relay.storage.database import Database
from relay.storage.panel import copies
from tests.services.people import ALICE, BOB
from tests.services.rig import Rig, Talk, make_rig, start_talk


async def kept(rig: Rig, talk: Talk) -> dict[str, Any]:
    return await kept_json(rig.relay.database, public(IdKind.SESSION, talk.id))


async def test_sealed_bytes_are_shown_until_they_are_gone_when_a_text_crosses(db: Database) -> None:
    rig = await make_rig(db)
    talk = await start_talk(rig)
    await talk.say("hello")

    waiting = await kept(rig, talk)
    await rig.send_all(talk.bucket)
    sent = await kept(rig, talk)
    await rig.relay.sessions.close(rig.account, talk.id)
    closed = await kept(rig, talk)

    (row,) = waiting["outbox"]
    assert (row["phase"], row["sealed_text_bytes"] > 5, len(row["sealed_text"])) == ("queued", True, 24)
    assert sent["outbox"] == []
    assert [(m["state"], m["last_outcome"]) for m in sent["messages"]] == [("accepted", "accepted")]
    assert all(
        seat["sealed_phone"] and seat["holds_number"] and not seat["held_until"] for seat in sent["participants"]
    )
    assert all(seat["sealed_phone"] is None and seat["held_until"] for seat in closed["participants"])
    assert [e["type"] for e in closed["events"]] == [
        "session.closed",
        "message.accepted",
        "message.received",
        "session.opened",
    ]


async def test_an_opt_out_is_shown_when_it_came_after_the_session_began(db: Database) -> None:
    rig = await make_rig(db)
    talk = await start_talk(rig)

    await talk.say("STOP", slot=2)

    shown = await kept(rig, talk)
    assert sorted(e["type"] for e in shown["events"]) == ["message.refused", "participant.opted_out", "session.opened"]
    assert [seat["opted_out"] for seat in shown["participants"]] == [False, True]
    assert [(m["state"], m["reason"], m["from"]) for m in shown["messages"]] == [("refused", "opted_out", None)]


@pytest.mark.parametrize("unknown", ["", "ses_", "con_aaaaaaaaaaaaaaaaaaaaaaaaaa", "ses_" + "a" * 26])
async def test_nothing_is_shown_when_there_is_no_such_session(db: Database, unknown: str) -> None:
    with pytest.raises(NotFound):
        await kept_json(db, unknown)


async def test_every_row_is_copied_and_nobody_is_in_them_when_tables_are_read(db: Database, dsn: str) -> None:
    rig = await make_rig(db)
    talk = await start_talk(rig)
    await talk.say("a text that is nowhere")

    tables = await copies(dsn)

    assert {"participant", "message_default", "outbox", "event_default", "lease"} <= tables.keys()
    assert tables["participant"].count(b"\n") == 2
    assert talk.proxy(1).encode() in tables["number"]
    everything = b"".join(tables.values())
    assert [secret for secret in (ALICE, BOB, "a text that is nowhere") if secret.encode() in everything] == []
