"""The word lists of ``core`` and of the schema are the same lists."""

from __future__ import annotations

import re
from enum import StrEnum

import asyncpg
import pytest

from relay.core.delivery import Outcome
from relay.core.hooks import HookKind, OnTimeout
from relay.core.model import (
    CloseReason,
    GeoFallback,
    GeoMatch,
    HoldReason,
    MessageKind,
    NumberState,
    OnAmbiguous,
    Scope,
    State,
    VerificationPurpose,
    VerificationStatus,
)
from relay.core.optouts import OptOutReason, OptOutSource
from relay.core.phone import NumberKind
from relay.core.subject import OperatorReason, RequestKind
from relay.core.webhooks import DeliveryState, DisabledReason, EndpointStatus, Failure
from relay.storage.embedded import EmbeddedServer
from tests.databases import in_database

LISTS: dict[str, type[StrEnum]] = {
    "message_kind": MessageKind,
    "message_state": State,
    "session_close_reason": CloseReason,
    "session_geo_match": GeoMatch,
    "session_geo_fallback": GeoFallback,
    "number_state_known": NumberState,
    "number_kind": NumberKind,
    "api_key_scopes": Scope,
    "account_on_ambiguous": OnAmbiguous,
    "attempt_outcome": Outcome,
    "pool_hook_kind": HookKind,
    "pool_hook_on_timeout": OnTimeout,
    "verification_purpose": VerificationPurpose,
    "verification_status": VerificationStatus,
    "hold_reason": HoldReason,
    "privacy_request_kind": RequestKind,
    "privacy_request_reason": OperatorReason,
    "suppression_source": OptOutSource,
    "suppression_reason": OptOutReason,
    "endpoint_status": EndpointStatus,
    "endpoint_disabled_reason": DisabledReason,
    "delivery_state": DeliveryState,
    "delivery_failure": Failure,
}


@pytest.mark.parametrize("constraint", LISTS)
async def test_both_lists_hold_the_same_words_when_a_constraint_is_read(
    pg_server: EmbeddedServer, template: str, constraint: str
) -> None:
    connection = await asyncpg.connect(in_database(pg_server.dsn, template))
    try:
        text = await connection.fetchval(
            "select pg_get_constraintdef(oid) from pg_constraint where conname = $1 and conparentid = 0", constraint
        )
    finally:
        await connection.close()

    assert set(re.findall(r"'([a-z_-]+)'", text)) == {str(word) for word in LISTS[constraint]}
