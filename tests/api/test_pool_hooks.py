"""Hooks of pools over HTTP: a secret is shown once, an address never."""

from __future__ import annotations

import pytest

from tests.api.rig import Api

URL = "https://hooks.example/in?token=hidden"


async def test_a_hook_is_set_changed_and_taken_away(api: Api) -> None:
    made = await api.ask("PATCH", "/v1/pools/default", {"hooks": {"intercept": {"url": URL}}})
    changed = await api.ask(
        "PATCH", "/v1/pools/default", {"hooks": {"intercept": {"url": URL, "timeout": 10, "on_timeout": "allow"}}}
    )
    untouched = await api.ask("PATCH", "/v1/pools/default", {"name": "default", "hooks": {}})
    read = await api.ask("GET", "/v1/pools/default")
    gone = await api.ask("PATCH", "/v1/pools/default", {"hooks": {"intercept": None}})
    anew = await api.ask("PATCH", "/v1/pools/default", {"hooks": {"intercept": {"url": URL}}})

    secrets = [answer.json()["hooks"]["intercept"].pop("secret") for answer in (made, anew)]
    assert all(secret.startswith("whsec_") for secret in secrets)
    assert secrets[0] != secrets[1]
    assert made.json()["hooks"]["intercept"]["timeout"] == 3
    assert changed.json()["hooks"] == {"intercept": {"timeout": 10, "on_timeout": "allow"}, "out_of_session": None}
    assert untouched.json()["hooks"] == read.json()["hooks"] == changed.json()["hooks"]
    assert gone.json()["hooks"] == {"intercept": None, "out_of_session": None}
    assert "hidden" not in "".join(answer.text for answer in (made, changed, read, gone))


@pytest.mark.parametrize(
    ("hook", "code"),
    [
        ({"url": "http://hooks.example/"}, "url_scheme"),
        ({"url": "https://127.0.0.1/"}, "url_address"),
        ({"url": "https://169.254.169.254/latest"}, "url_address"),
        ({"url": "https://u:hidden@hooks.example/"}, "url_userinfo"),
        ({"url": URL, "timeout": 11}, ""),
        ({"url": URL, "on_timeout": "park"}, ""),
        ({"timeout": 3}, ""),
    ],
)
async def test_a_hook_is_refused_with_the_field_that_is_wrong(api: Api, hook: dict[str, object], code: str) -> None:
    refused = await api.ask("PATCH", "/v1/pools/default", {"name": "renamed", "hooks": {"intercept": hook}})

    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"].startswith("hooks.intercept")
    assert not code or refused.json()["errors"][0]["code"] == code
    assert "hidden" not in refused.text
    assert (await api.ask("GET", "/v1/pools/default")).json()["hooks"] == {"intercept": None, "out_of_session": None}


async def test_a_hook_goes_with_its_pool(api: Api) -> None:
    await api.ask("POST", "/v1/pools", {"name": "brief"})
    await api.ask("PATCH", "/v1/pools/brief", {"hooks": {"intercept": {"url": URL}}})
    await api.ask("DELETE", "/v1/pools/brief")

    assert await api.rig.value("select count(*) from pool_hook") == 0
