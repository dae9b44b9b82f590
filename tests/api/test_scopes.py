"""Who gets in: every call against every scope, and every wrong way of presenting a key."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from relay.core.ids import IdKind, parse, public
from relay.core.model import Scope
from tests.api.answers import bare
from tests.api.contract import CONTRACT, furnished
from tests.api.rig import Api

_EFFECTIVE_WITHIN = 1.0  # seconds, after a key was revoked


def key_id(key: str) -> UUID:
    return parse(IdKind.KEY, f"key_{key.split('_')[1]}")


async def test_only_the_declared_scope_gets_in_when_every_call_is_tried_with_every_scope(api: Api) -> None:
    world = await furnished(api)
    keys = {scope: await api.new_key(scope) for scope in Scope}
    let_in: dict[str, list[Scope]] = {}
    statuses = set()
    for row in CONTRACT:
        # The right key last: what it does must not be what the others find.
        for scope in sorted(Scope, key=lambda scope, row=row: scope is row.scope):  # type: ignore[misc]  # bound at once
            answer = await api.ask(row.method, row.at(world), row.said(world), key=keys[scope])
            let_in.setdefault(str(row), []).extend([scope] if answer.status_code != 403 else [])
            statuses.add((answer.status_code, answer.json().get("code") if answer.status_code == 403 else ""))

    assert let_in == {str(row): [*row.also, row.scope] for row in CONTRACT}
    assert {status for status, _ in statuses} == {200, 201, 202, 204, 403}
    assert {code for status, code in statuses if status == 403} == {"scope_missing"}


async def test_nothing_is_done_when_the_scope_is_missing(api: Api) -> None:
    world = await furnished(api)
    key = await api.new_key(Scope.AUDIT)
    tables = ("session", "message", "pool", "number", "connection", "event", "verification", "idempotency")

    async def rows() -> list[object]:
        return [
            await api.rig.rows(f"select * from {table} where account_id = $1 order by id::text", api.rig.account.id)
            if table != "idempotency"
            else await api.rig.value("select count(*) from idempotency where account_id = $1", api.rig.account.id)
            for table in tables
        ]

    before = await rows()
    for row in (row for row in CONTRACT if row.scope is not Scope.AUDIT):
        await api.ask(row.method, row.at(world), row.said(world), key=key, idempotency_key="once")

    assert await rows() == before


async def wrong_authorizations(api: Api) -> dict[str, str | None]:
    """Every way of not having a key that works: a header's value, or None for no header."""
    expired = await api.rig.relay.keys.add(
        api.rig.account,
        name="old",
        scopes=tuple(Scope),
        expires_at=await api.rig.relay.database.now() - timedelta(seconds=1),
    )
    revoked = await api.new_key()
    await api.rig.relay.keys.revoke(api.rig.account, key_id(revoked))
    _, letters, secret = api.key.split("_", 2)
    unknown = public(IdKind.KEY, UUID(int=key_id(api.key).int ^ 1 << 40)).removeprefix("key_")
    return {
        "none": None,
        "empty": "",
        "scheme alone": "Bearer",
        "other scheme": f"Basic {api.key}",
        "no scheme": api.key,
        "expired": f"Bearer {expired}",
        "revoked": f"Bearer {revoked}",
        "unknown id": f"Bearer rk_{unknown}_{secret}",
        "other secret": f"Bearer rk_{letters}_{secret[:-1]}{'A' if secret[-1] != 'A' else 'B'}",
        "no secret": f"Bearer rk_{letters}_",
        "longer": f"Bearer {api.key}x",
        "much longer": f"Bearer {api.key}{'x' * 5000}",
        "upper case": f"Bearer {api.key.upper()}",
        "other prefix": f"Bearer sk_{letters}_{secret}",
        "not an id": f"Bearer rk_nobody_{secret}",
        "control characters": f"Bearer rk_\x00\x1b[2J_{secret}",
        "beyond ascii": f"Bearer rk_{letters}_\xe9\xff",
    }


async def test_every_wrong_key_is_answered_alike_when_any_call_is_made(api: Api) -> None:
    world = await furnished(api)
    wrong = await wrong_authorizations(api)
    for row in CONTRACT:
        answers = {}
        for name, value in wrong.items():
            headers = {} if value is None else {b"authorization": value.encode("latin-1")}
            request = api.http.build_request(row.method, row.at(world), headers=headers, json=row.said(world))
            answers[name] = bare(await api.http.send(request))

        assert set(map(str, answers.values())) == {str(answers["none"])}, answers
        assert answers["none"][0] == 401


async def test_a_key_works_when_its_scheme_is_written_in_any_case(api: Api) -> None:
    for scheme in ("Bearer", "bearer", "BEARER"):
        answer = await api.http.get("/v1/account", headers={"authorization": f"{scheme} {api.key}"})

        assert answer.status_code == 200


async def test_a_revoked_key_is_out_within_a_second_when_it_was_just_used(api: Api) -> None:
    key = await api.new_key()
    assert (await api.ask("GET", "/v1/account", key=key)).status_code == 200
    await api.rig.relay.keys.revoke(api.rig.account, key_id(key))
    await asyncio.sleep(_EFFECTIVE_WITHIN + 0.01)

    assert (await api.ask("GET", "/v1/account", key=key)).status_code == 401


async def test_an_expiring_key_is_out_within_a_second_when_its_time_is_over(api: Api) -> None:
    now = await api.rig.relay.database.now()
    key = await api.rig.relay.keys.add(
        api.rig.account, name="short", scopes=tuple(Scope), expires_at=now + timedelta(minutes=1)
    )
    before = await api.ask("GET", "/v1/account", key=key)
    api.rig.later(seconds=61)
    await asyncio.sleep(_EFFECTIVE_WITHIN + 0.01)
    after = await api.ask("GET", "/v1/account", key=key)

    assert (before.status_code, after.status_code) == (200, 401)


async def test_the_other_key_goes_on_when_one_of_two_is_revoked(api: Api) -> None:
    old, new = await api.new_key(), await api.new_key()
    both = [(await api.ask("GET", "/v1/account", key=key)).status_code for key in (old, new)]
    await api.rig.relay.keys.revoke(api.rig.account, key_id(old))
    await asyncio.sleep(_EFFECTIVE_WITHIN + 0.01)
    after = [(await api.ask("GET", "/v1/account", key=key)).status_code for key in (old, new)]

    assert both == [200, 200]
    assert after == [401, 200]


async def test_no_key_is_in_the_database_when_keys_were_made_and_used(api: Api) -> None:
    await api.session()
    stored = str(await api.rig.rows("select row_to_json(k)::text as row from api_key k"))
    secret = api.key.split("_", 2)[2]

    assert key_id(api.key).hex[:8] in stored
    assert secret not in stored
    assert secret.encode().hex() not in stored


@pytest.mark.parametrize("scope", list(Scope))
async def test_a_foreign_account_sees_nothing_when_its_key_has_every_scope_but_one(api: Api, scope: Scope) -> None:
    """Scopes open calls, never other accounts: what a key may do, it may do to its own."""
    other = await api.other_account()
    world = await furnished(api)
    key = await other.new_key(*(s for s in Scope if s is not scope))
    for row in CONTRACT:
        if row.thing and row.scope is not scope:
            answer = await other.ask(row.method, row.at(world), row.said(world), key=key)
            assert answer.status_code == 404, str(row)
