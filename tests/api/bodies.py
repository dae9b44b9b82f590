"""Bodies with every field there is, and how to put something else at any place in them."""

from __future__ import annotations

from typing import Any

from tests.api.rig import ALICE, opening

#: What a careless or a hostile caller may say in any place.
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 7, 2**31, 2**63, 2**64, 10**30, -(10**30), 0.5, 1e308, float("nan"), float("inf")),
    *("", " ", "7", "\u0000", "a\u0000b", "\n", "\u001b[2J", "\u202e", "\ufeff", "\ufffe", "\U0010ffff", "x" * 5000),
    *([], [[]], [None], {}, {"": ""}, {"a": {"a": {}}}, [{"phone": ALICE}] * 2, "2026-13-01T00:00:00Z", "now"),
)


def places(body: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a body at which a value stands."""
    inside = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    return [path, *(place for key, value in inside for place in places(value, (*path, key)))]


def put(body: Any, place: tuple[Any, ...], value: Any) -> Any:
    """The body with another value at this place."""
    if not place:
        return value
    copy = dict(body) if isinstance(body, dict) else list(body)
    copy[place[0]] = put(copy[place[0]], place[1:], value)
    return copy


WHOLE: dict[str, dict[str, Any]] = {
    "/v1/sessions": opening(
        pool="default",
        unique_name="trip",
        expires_in=3600,
        idle_timeout=600,
        cool_down=7200,
        expiring_notice=300,
        geo_match="any",
        geo_fallback="nearest",
        greeting=True,
        metadata={"order": "991"},
    ),
    "/v1/account": {
        "programme": "Rides",
        "help_contact": "help",
        "language": "en",
        "notices": {"ended": "Over."},
        "on_ambiguous": "park",
        "allowed_countries": ["US"],
        "default_expires_in": 3600,
        "default_idle_timeout": 600,
        "default_cool_down": 7200,
        "default_expiring_notice": 300,
        "quiet_hours": {"from": "22:00", "to": "07:00"},
        "daily_cap": 10,
    },
    "/v1/verifications": {"phone": ALICE, "purpose": "session", "pool": "default"},
    "/v1/sessions/bulk-close": {
        "filter": {
            "pool": "default",
            "unique_name_prefix": "trip-",
            "created_before": "2026-11-20T12:00:00Z",
            "idle_since": "2026-11-20T12:00:00Z",
        },
        "dry_run": False,
    },
    "/v1/templates": {"name": "near", "text": "{driver} is near", "language": "en"},
    "/v1/sessions/{id}/messages": {
        "text": "It is near",
        "template": "late",
        "variables": {"driver": "Ada"},
        "send_at": "2026-11-21T12:00:00Z",
        "quiet_hours": "respect",
    },
    "/v1/numbers": {"number": "+12025550109", "country": "US", "pool": "default", "rate": 1.5, "reserved": True},
}
