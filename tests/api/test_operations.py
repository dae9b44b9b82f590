"""What machines ask: is it alive, is it ready, what are the figures."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from relay import metrics
from relay.core.ids import IdKind, public
from relay.core.keys import KeyName, Purpose
from relay.storage import database
from relay.storage.configuration import Configuration
from tests.api.contract import CONTRACT, furnished
from tests.api.rig import NUMBERS, Api, behind, inbound


async def test_it_is_alive_and_ready_when_everything_is_there(api: Api) -> None:
    alive, ready = await api.http.get("/healthz"), await api.http.get("/readyz")

    assert (alive.status_code, alive.json()) == (200, {"alive": True})
    assert (ready.status_code, ready.json()) == (200, {"ready": True})


async def test_it_is_alive_but_not_ready_when_the_schema_is_not_the_one_of_this_version(api: Api, dsn: str) -> None:
    """``dsn`` is a database of its own: its schema is changed."""
    db = await database.connect(dsn, connections=2)
    async with db.transaction() as tx:
        await tx.execute("delete from schema_migration")
    relay = replace(api.rig.relay, database=db, configuration=Configuration(db))
    async with behind(replace(api.rig, relay=relay), api.key) as outdated:
        ready, alive = await outdated.http.get("/readyz"), await outdated.http.get("/healthz")
    await db.close()

    assert (ready.status_code, ready.json()) == (503, {"ready": False, "because": "migration_refused"})
    assert ready.headers["retry-after"] == "2"
    assert alive.status_code == 200


async def test_it_is_not_ready_when_it_lacks_a_key_that_others_seal_with(api: Api) -> None:
    rotation = replace(api.rig.relay.rotation, lacks=frozenset({KeyName(Purpose.TRANSIT, 2)}))
    async with behind(replace(api.rig, relay=replace(api.rig.relay, rotation=rotation)), api.key) as behindhand:
        ready, alive = await behindhand.http.get("/readyz"), await behindhand.http.get("/healthz")

    assert (ready.status_code, ready.json()) == (503, {"ready": False, "because": "key_missing"})
    assert alive.status_code == 200


async def test_figures_have_no_ids_and_no_numbers_when_everything_was_used(api: Api) -> None:
    world = await furnished(api)
    for row in CONTRACT:
        await api.ask(row.method, row.at(world), row.said(world))
    await inbound(api, "+12025550199", NUMBERS[0], "hello").post(api)
    answer = await api.http.get("/metrics")

    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "relay_api_requests_total" in answer.text
    assert not [value for value in world.values() if value in answer.text]
    assert not [labels for labels in re.findall(r"\{(.*?)\}", answer.text) if re.search(r"\d{7}", labels)]
    assert public(IdKind.ACCOUNT, api.rig.account.id) not in answer.text


async def test_requests_are_counted_by_pattern_and_status_when_they_were_answered(api: Api) -> None:
    def count(route: str, status: str) -> float:
        return metrics.REGISTRY.get_sample_value("relay_api_requests_total", {"route": route, "status": status}) or 0

    before = count("/v1/sessions/{id}", "404")
    for name in ("a", "b", "c"):
        await api.ask("GET", f"/v1/sessions/{name}")

    assert count("/v1/sessions/{id}", "404") == before + 3


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/openapi.json"])
async def test_no_key_is_needed_when_machines_of_the_operator_ask(api: Api, path: str) -> None:
    answers = [await api.http.get(path), await api.http.head(path), await api.http.get(f"{path}?x=%00")]

    assert [answer.status_code for answer in answers] == [200] * 3
    assert (await api.http.post(path)).status_code == 405
