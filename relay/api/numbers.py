"""``/v1/numbers`` and ``/v1/pools``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from relay.api.answers import gives
from relay.api.call import Call, Endpoint, Reply, limit_of
from relay.api.cursors import Cursors
from relay.api.parameters import LIST
from relay.api.schemas import HooksBody, NumberBody, NumberChangeBody, PoolBody, PoolChangeBody
from relay.api.shown import FullPool, Number, NumberPage, PoolPage
from relay.api.shown import Pool as ShownPool
from relay.core import ids
from relay.core.errors import InvalidInput, NotFound, Problem
from relay.core.hooks import HookKind, OnTimeout
from relay.core.ids import IdKind, public
from relay.core.model import NumberState, Scope
from relay.core.phone import parse_number
from relay.core.rules import Rule
from relay.core.times import written
from relay.services.hooks import HookWanted
from relay.services.numbers import NumberView, NumberWanted
from relay.services.pools import PoolReport
from relay.storage.configuration import Pool
from relay.storage.hooks import Hook


async def add_number(call: Call) -> Reply:
    body = call.read(NumberBody)
    facts = parse_number(body.number, body.country)
    try:
        pool = await call.services.pools.find(call.account, body.pool)
    except NotFound:
        raise InvalidInput(Problem("pool", "unknown_pool", "must be the name or id of a pool")) from None
    try:
        connection_id = ids.parse(IdKind.CONNECTION, body.connection)
    except NotFound:
        problem = Problem("connection", "unknown_connection", "must be one of the account's connections")
        raise InvalidInput(problem) from None
    wanted = NumberWanted(facts, pool, connection_id, body.rate, body.reserved)
    return Reply(number_json(await call.services.numbers.add(call.account, wanted, call.seed)), 201)


async def list_numbers(call: Call) -> Reply:
    limit, cursors = limit_of(call), Cursors(call.services.vault.tokens.cursor_secret)
    before = cursors.read("numbers", call.account.id, call.query.get("cursor"))
    views = [v for v in await call.services.numbers.listed(call.account) if before is None or v.number.id < before]
    more = cursors.write("numbers", call.account.id, views[limit - 1].number.id) if len(views) > limit else None
    return Reply({"data": [number_json(v) for v in views[:limit]], "next_cursor": more})


async def read_number(call: Call) -> Reply:
    return Reply(number_json(await call.services.numbers.read(call.account, ids.parse(IdKind.NUMBER, call.path["id"]))))


async def change_number(call: Call) -> Reply:
    body = call.read(NumberChangeBody)
    state = NumberState(body.state) if body.state else None
    number_id = ids.parse(IdKind.NUMBER, call.path["id"])
    return Reply(number_json(await call.services.numbers.change(call.account, number_id, state=state, rate=body.rate)))


async def remove_number(call: Call) -> Reply:
    await call.services.numbers.remove(call.account, ids.parse(IdKind.NUMBER, call.path["id"]))
    return Reply({}, 204)


async def add_pool(call: Call) -> Reply:
    body = call.read(PoolBody)
    pool = await call.services.pools.add(call.account, body.name, call.seed, require_verified=body.require_verified)
    return Reply(pool_json(pool), 201)


async def list_pools(call: Call) -> Reply:
    found = await call.services.pools.listed(call.account)
    return Reply({"data": [pool_json(p) for p in reversed(found)], "next_cursor": None})


async def read_pool(call: Call) -> Reply:
    return Reply(report_json(await call.services.pools.report(call.account, call.path["id"])))


async def change_pool(call: Call) -> Reply:
    body = call.read(PoolChangeBody)
    rules = None if body.rules is None else [Rule(one.keyword, one.reply or "", one.event) for one in body.rules]
    wanted = _hooks_wanted(call, body.hooks) if body.hooks else {}
    pool = await call.services.pools.change(
        call.account, call.path["id"], name=body.name, require_verified=body.require_verified, rules=rules
    )
    secrets = await _change_hooks(call, pool, wanted)
    if wanted:
        pool = await call.services.pools.find(call.account, public(IdKind.POOL, pool.id))
    return Reply(pool_json(pool, secrets))


def _hooks_wanted(call: Call, body: HooksBody) -> dict[HookKind, HookWanted | None]:
    """The hooks that are given, and None for those that are to go. Raises InvalidInput."""
    given = {kind: getattr(body, kind) for kind in HookKind if kind in body.model_fields_set}
    read = call.services.hooks.read
    return {k: h and read(k, h.url, h.timeout, OnTimeout(getattr(h, "on_timeout", "allow"))) for k, h in given.items()}


async def _change_hooks(call: Call, pool: Pool, wanted: Mapping[HookKind, HookWanted | None]) -> dict[HookKind, str]:
    """Returns the secrets of new ones."""
    secrets = {}
    for kind, hook in wanted.items():
        if hook is None:
            await call.services.hooks.remove(pool, kind)
        elif secret := await call.services.hooks.set(pool, hook):
            secrets[kind] = secret
    return secrets


async def remove_pool(call: Call) -> Reply:
    await call.services.pools.remove(call.account, call.path["id"])
    return Reply({}, 204)


def number_json(v: NumberView) -> dict[str, Any]:
    n = v.number
    return {
        "id": public(IdKind.NUMBER, n.id),
        "number": n.e164,
        "country": n.country,
        "kind": n.kind,
        "pool": v.pool_name,
        "connection": public(IdKind.CONNECTION, n.connection_id),
        "state": v.state,
        "rate": n.rate,
        "in_use": v.in_use,
        "created_at": written(n.created_at),
    }


def pool_json(p: Pool, secrets: Mapping[HookKind, str] | None = None) -> dict[str, Any]:
    """``secrets``: of hooks that were just made. They are shown this once."""
    return {
        "id": public(IdKind.POOL, p.id),
        "name": p.name,
        "status": "ready" if p.ready else "preparing",
        "require_verified": p.require_verified,
        "rules": [_rule_json(p, rule) for rule in p.rules.values()],
        "hooks": {kind: _hook_json(p.hook(kind), (secrets or {}).get(kind)) for kind in HookKind},
        "created_at": written(p.created_at),
    }


def _rule_json(pool: Pool, rule: Rule) -> dict[str, Any]:
    return {
        "id": public(IdKind.RULE, rule.id_in(pool.id)),
        "keyword": rule.keyword,
        "reply": rule.reply or None,
        "event": rule.event,
    }


def _hook_json(hook: Hook | None, secret: str | None) -> dict[str, Any] | None:
    """Without its address, which may hold a token."""
    if hook is None:
        return None
    shown: dict[str, Any] = {"timeout": hook.timeout}
    if hook.kind is HookKind.INTERCEPT:
        shown["on_timeout"] = hook.on_timeout
    return {**shown, "secret": secret} if secret else shown


def report_json(r: PoolReport) -> dict[str, Any]:
    return {
        **pool_json(r.pool),
        "numbers": {country: dict(states) for country, states in r.numbers.items()},
        "open_sessions": r.open_sessions,
        "busiest_person": r.busiest_person,
        "headroom": r.headroom,
    }


_N = Scope.NUMBERS
_ADDED = gives(Number, "number_taken", "number_invalid", "number_kind_refused", "country_invalid", status=201)

# fmt: off
ENDPOINTS = (
    Endpoint("POST", "/v1/numbers", _N, add_number, "Import a number", NumberBody, answers=_ADDED),
    Endpoint("GET", "/v1/numbers", _N, list_numbers, "Numbers, newest first", query=LIST, answers=gives(NumberPage)),
    Endpoint("GET", "/v1/numbers/{id}", _N, read_number, "One number", answers=gives(Number)),
    Endpoint("PATCH", "/v1/numbers/{id}", _N, change_number, "Reserve, drain, free; change the pace", NumberChangeBody,
             answers=gives(Number)),
    Endpoint("DELETE", "/v1/numbers/{id}", _N, remove_number, "Drain a number, then remove it",
             answers=gives(None, "number_in_use")),
    Endpoint("POST", "/v1/pools", _N, add_pool, "Make a pool", PoolBody,
             answers=gives(ShownPool, "pool_name_taken", status=201)),
    Endpoint("GET", "/v1/pools", _N, list_pools, "Pools, newest first", answers=gives(PoolPage)),
    Endpoint("GET", "/v1/pools/{id}", _N, read_pool, "How full a pool is", answers=gives(FullPool)),
    Endpoint("PATCH", "/v1/pools/{id}", _N, change_pool, "Rename a pool, require proofs, set rules and hooks",
             PoolChangeBody, answers=gives(ShownPool, "pool_name_taken")),
    Endpoint("DELETE", "/v1/pools/{id}", _N, remove_pool, "Remove an empty pool", answers=gives(None, "pool_in_use")),
)
# fmt: on
