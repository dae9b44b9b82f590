"""Rows that cannot be: for every named constraint one that breaks it and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping

import asyncpg
import pytest

from relay.storage.embedded import EmbeddedServer
from tests.databases import in_database

_ID = "00000000-0000-7000-8000-000000000001"
_NOW = "2026-11-21T12:00:00Z"
_INDEX = "\\x" + "00" * 16

#: One row of each table as it may be.
ROWS: Mapping[str, Mapping[str, object]] = {
    "audit_tree": {
        "bucket": 1,
        "account_id": _ID,
        "origin": "relay.example/log",
        "reference_key": "\\x" + "00" * 32,
        "size": 0,
    },
    "audit_tile": {"bucket": 1, "account_id": _ID, "level": -1, "n": 0, "hashes": "\\x" + "00" * 64},
    "audit_export": {
        "bucket": 1,
        "id": _ID,
        "account_id": _ID,
        "asked_at": _NOW,
        "checkpoint": "",
        "first_n": 0,
        "end_n": 1,
        "retention": {},
    },
    "audit_witness": {
        "bucket": 1,
        "id": _ID,
        "account_id": _ID,
        "key": "w.example+00000000+AA==",
        "added_at": _NOW,
        "size": 1,
        "checkpoint": "",
        "signature": "",
        "signed_at": _NOW,
    },
    "audit_entry": {
        "bucket": 1,
        "account_id": _ID,
        "n": 0,
        "event_id": _ID,
        "entry_ref": "0" * 32,
        "type": "session.opened",
        "at": _NOW,
        "salt": "\\x" + "00" * 32,
        "record": "\\x7b7d",
        "sealed_at": _NOW,
    },
    "lease": {"bucket": 1, "name": "send", "owner": _ID, "epoch": 1, "until": _NOW},
    "configuration": {"id": 1, "version": 1},
    "account": {
        "id": _ID,
        "bucket": 1,
        "name": "market",
        "programme": "",
        "help_contact": "",
        "language": "en",
        "notices": {},
        "on_ambiguous": "park",
        "allowed_countries": [],
        "default_expires_in": 1,
        "default_cool_down": 1,
        "default_expiring_notice": 600,
        "quiet_from": "21:00",
        "quiet_to": "08:00",
        "created_at": _NOW,
    },
    "daily_count": {"bucket": 1, "account_id": _ID, "day": "2026-11-20", "here": 0, "elsewhere": 0},
    "pool": {
        "id": _ID,
        "account_id": _ID,
        "bucket": 1,
        "name": "default",
        "status": "ready",
        "created_at": _NOW,
        "require_verified": False,
        "rules": "[]",
    },
    "number": {
        "id": _ID,
        "account_id": _ID,
        "pool_id": _ID,
        "connection_id": _ID,
        "e164": "+13015550100",
        "country": "US",
        "area_code": "301",
        "kind": "long_code",
        "rate": 1,
        "created_at": _NOW,
    },
    "number_state": {"bucket": 1, "number_id": _ID, "account_id": _ID, "state": "ready", "changed_at": _NOW},
    "api_key": {
        "bucket": 1,
        "id": _ID,
        "account_id": _ID,
        "name": "k",
        "secret_hash": "\\x" + "00" * 32,
        "scopes": ["sessions"],
        "created_at": _NOW,
    },
    "console_link": {
        "bucket": 1,
        "key_id": _ID,
        "account_id": _ID,
        "secret_hash": "\\x" + "00" * 32,
        "created_at": _NOW,
        "expires_at": _NOW,
    },
    "session": {
        "bucket": 1,
        "id": _ID,
        "account_id": _ID,
        "pool_id": _ID,
        "status": "open",
        "metadata": {},
        "created_at": _NOW,
        "expires_at": _NOW,
        "cool_down": 3600,
        "last_leg_no": 0,
        "expiring_notice": 600,
        "journaled": True,
        "geo_match": "country",
        "geo_fallback": "strict",
        "seating": 0,
        "people_since": 0,
    },
    "person": {
        "bucket": 1,
        "party_index": _INDEX,
        "key_id": 1,
        "opted_out": False,
        "changed_at": _NOW,
        "superseded": False,
        "bounces": 0,
    },
    "participant": {
        "bucket": 1,
        "id": _ID,
        "session_id": _ID,
        "slot": 1,
        "status": "live",
        "label": "",
        "party_index": _INDEX,
        "number_id": _ID,
        "sealed_phone": "\\x00",
        "epoch_id": 1,
    },
    "message": {
        "bucket": 1,
        "id": _ID,
        "account_id": _ID,
        "session_id": _ID,
        "kind": "relay",
        "to_participant": _ID,
        "leg_no": 1,
        "state": "queued",
        "segments": 1,
        "attempts": 0,
        "received_at": _NOW,
        "changed_at": _NOW,
    },
    "outbox": {
        "bucket": 1,
        "message_id": _ID,
        "account_id": _ID,
        "party_index": _INDEX,
        "kind": "relay",
        "number_id": _ID,
        "segments": 1,
        "sealed_phone": "\\x00",
        "sealed_text": "\\x00",
        "transit_id": 1,
        "phase": "queued",
        "asked": 0,
        "arrived_at": _NOW,
        "due_at": _NOW,
        "deadline_at": _NOW,
    },
    "attempt": {"bucket": 1, "id": _ID, "message_id": _ID, "n": 1, "epoch": 1, "begun_at": _NOW},
    "event": {"bucket": 1, "id": _ID, "account_id": _ID, "type": "message.received", "at": _NOW},
    "idempotency": {
        "bucket": 1,
        "account_id": _ID,
        "key": "\\x00",
        "fingerprint": "\\x00",
        "entropy": "\\x00",
        "created_at": _NOW,
        "lease_until": _NOW,
    },
    "verification": {
        "bucket": 1,
        "id": _ID,
        "account_id": _ID,
        "party_index": _INDEX,
        "purpose": "session",
        "status": "pending",
        "digest": "\\x00",
        "key_id": 1,
        "checks": 5,
        "created_at": _NOW,
        "expires_at": _NOW,
    },
    "suppression": {
        "bucket": 1,
        "account_id": _ID,
        "id": _ID,
        "party_index": _INDEX,
        "key_id": 1,
        "opted_out": True,
        "changed_at": _NOW,
        "source": "person",
    },
    "hold": {
        "bucket": 1,
        "session_id": _ID,
        "id": _ID,
        "account_id": _ID,
        "reason": "legal_claim",
        "placed_at": _NOW,
        "placed_by": _ID,
    },
    "bulk_close_part": {
        "bucket": 1,
        "id": _ID,
        "account_id": _ID,
        "asked_at": _NOW,
        "matched": 1,
        "closed": 0,
        "after": _ID,
    },
    "privacy_request": {"bucket": 1, "id": _ID, "account_id": _ID, "kind": "access", "asked_at": _NOW},
    "pool_hook": {
        "id": _ID,
        "account_id": _ID,
        "pool_id": _ID,
        "kind": "intercept",
        "timeout": 3,
        "on_timeout": "refuse",
        "sealed_settings": "\\x00",
        "key_id": 1,
        "created_at": _NOW,
    },
    "migration_lease": {"id": 1, "until": _NOW},
    "endpoint": {
        "id": _ID,
        "account_id": _ID,
        "events": ["*"],
        "status": "enabled",
        "changed_at": _NOW,
        "sealed_settings": "\\x00",
        "key_id": 1,
        "created_at": _NOW,
    },
    "delivery": {
        "bucket": 1,
        "endpoint_id": _ID,
        "event_id": _ID,
        "account_id": _ID,
        "state": "waiting",
        "tries": 0,
        "made_at": _NOW,
        "due_at": _NOW,
    },
}

#: constraint -> table and what is changed about its row.
BROKEN: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "bucket_in_range": ("lease", {"bucket": 1024}),
    "configuration_is_one_row": ("configuration", {"id": 2}),
    "account_on_ambiguous": ("account", {"on_ambiguous": "guess"}),
    "account_daily_cap": ("account", {"daily_cap": -1}),
    "account_bucket": ("account", {"bucket": -1}),
    "pool_status": ("pool", {"status": "closed"}),
    "pool_bucket": ("pool", {"bucket": 1024}),
    "number_kind": ("number", {"kind": "mobile"}),
    "number_rate": ("number", {"rate": 0}),
    "number_state_known": ("number_state", {"state": "lost"}),
    "api_key_scopes": ("api_key", {"scopes": ["everything"]}),
    "api_key_hash": ("api_key", {"secret_hash": "\\x00"}),
    "console_link_hash": ("console_link", {"secret_hash": "\\x00"}),
    "console_link_used_whole": ("console_link", {"used_at": _NOW}),
    "console_link_refused_after_use": ("console_link", {"refused_at": _NOW}),
    "session_status": ("session", {"status": "ajar"}),
    "session_close_reason": ("session", {"status": "closed", "closed_at": _NOW, "close_reason": "bored"}),
    "session_closed_whole": ("session", {"closed_at": _NOW}),
    "session_idle_whole": ("session", {"idle_timeout": 60}),
    "session_cool_down": ("session", {"cool_down": 0}),
    "session_geo_match": ("session", {"geo_match": "planet"}),
    "session_geo_fallback": ("session", {"geo_fallback": "guess"}),
    "session_people_since": ("session", {"people_since": 1}),
    "person_index": ("person", {"party_index": "\\x00"}),
    "participant_status": ("participant", {"status": "gone", "sealed_phone": None, "epoch_id": None}),
    "participant_slot": ("participant", {"slot": 3}),
    "phone_only_while_live": ("participant", {"status": "closed"}),
    "index_while_live": ("participant", {"party_index": None}),
    "message_kind": ("message", {"kind": "fax"}),
    "message_state": ("message", {"state": "lost"}),
    "reason_when_stopped": ("message", {"state": "refused"}),
    "accepted_when_taken": ("message", {"state": "accepted"}),
    "delivered_when_there": ("message", {"delivered_at": _NOW}),
    "conversation_has_a_leg": ("message", {"leg_no": None}),
    "outbox_phase": ("outbox", {"phase": "sent"}),
    "attempt_outcome": ("attempt", {"outcome": "lost", "ended_at": _NOW}),
    "attempt_ended_whole": ("attempt", {"ended_at": _NOW}),
    "event_type": ("event", {"type": "Something happened"}),
    "answer_whole": ("idempotency", {"status": 200}),
    "verification_purpose": ("verification", {"purpose": "fun"}),
    "verification_status": ("verification", {"status": "gone", "digest": None, "key_id": None}),
    "verification_checks": ("verification", {"checks": 6}),
    "verification_reason": ("verification", {"reason": "deadline"}),
    "digest_only_while_pending": ("verification", {"digest": None, "key_id": None}),
    "token_only_when_approved": ("verification", {"token_until": _NOW}),
    "used_only_when_approved": ("verification", {"used_by": _ID}),
    "bulk_close_counts": ("bulk_close_part", {"closed": -1}),
    "suppression_source": ("suppression", {"source": "rumour"}),
    "suppression_reason": ("suppression", {"reason": "because"}),
    "hold_reason": ("hold", {"reason": "because"}),
    "privacy_request_kind": ("privacy_request", {"kind": "gossip"}),
    "privacy_request_reason": ("privacy_request", {"operator_reason": "because"}),
    "only_an_erasure_lasts": ("privacy_request", {"parties": []}),
    "audit_tree_head_whole": ("audit_tree", {"size": 1}),
    "audit_tree_reference_key": ("audit_tree", {"reference_key": "\\x00"}),
    "audit_tile_level": ("audit_tile", {"level": 0}),
    "audit_tile_whole_hashes": ("audit_tile", {"hashes": "\\x" + "00" * 33}),
    "audit_export_run": ("audit_export", {"first_n": 2}),
    "audit_witness_word_whole": ("audit_witness", {"size": None}),
    "audit_witness_size": ("audit_witness", {"size": 0}),
    "audit_entry_erased_whole": ("audit_entry", {"record": None}),
    "endpoint_status": ("endpoint", {"status": "ajar"}),
    "endpoint_disabled_reason": ("endpoint", {"status": "disabled", "disabled_reason": "bored"}),
    "endpoint_disabled_whole": ("endpoint", {"disabled_reason": "api"}),
    "endpoint_events": ("endpoint", {"events": []}),
    "delivery_state": ("delivery", {"state": "lost", "due_at": None}),
    "delivery_failure": ("delivery", {"failure": "because"}),
    "delivery_due_while_waiting": ("delivery", {"due_at": None}),
    "delivery_failed_for_a_reason": ("delivery", {"state": "failed", "due_at": None}),
    "delivery_delivered_plainly": ("delivery", {"state": "delivered", "due_at": None, "failure": "status"}),
    "pool_hook_kind": ("pool_hook", {"kind": "fishing"}),
    "pool_hook_timeout": ("pool_hook", {"timeout": 11}),
    "pool_hook_on_timeout": ("pool_hook", {"on_timeout": "guess"}),
    "migration_lease_id_check": ("migration_lease", {"id": 2}),
}


@pytest.fixture(scope="module")
def template_dsn(pg_server: EmbeddedServer, template: str) -> str:
    return in_database(pg_server.dsn, template)


async def insert(dsn: str, table: str, row: Mapping[str, object]) -> None:
    """Try a row, without regard to other tables, and take it back."""
    connection = await asyncpg.connect(dsn)
    try:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("set local session_replication_role = replica")
        await connection.execute(f"delete from {table}")
        statement = f"insert into {table} select * from jsonb_populate_record(null::{table}, $1::jsonb)"
        await connection.execute(statement, json.dumps(row))
        await transaction.rollback()
    finally:
        await connection.close()


@pytest.mark.parametrize("table", ROWS)
async def test_a_row_is_taken_when_nothing_is_wrong_with_it(template_dsn: str, table: str) -> None:
    await insert(template_dsn, table, ROWS[table])


@pytest.mark.parametrize("constraint", BROKEN)
async def test_a_row_is_refused_by_name_when_it_cannot_be(template_dsn: str, constraint: str) -> None:
    table, change = BROKEN[constraint]

    with pytest.raises(asyncpg.CheckViolationError) as caught:
        await insert(template_dsn, table, {**ROWS[table], **change})

    assert caught.value.constraint_name == constraint


async def test_every_constraint_has_its_impossible_row_when_the_schema_is_read(template_dsn: str) -> None:
    connection = await asyncpg.connect(template_dsn)
    try:
        rows = await connection.fetch(
            "select distinct c.conname from pg_constraint c join pg_namespace n on n.oid = c.connamespace"
            " where c.contype = 'c' and n.nspname = 'public'"
        )
    finally:
        await connection.close()

    assert {row["conname"] for row in rows} == BROKEN.keys()
