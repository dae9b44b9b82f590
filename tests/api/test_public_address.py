"""A webhook is signed for the address that the operator has set, and for no other that a header may tell of."""

from __future__ import annotations

from tests.api.rig import ALICE, INSIDE_URL, PUBLIC_URL, Api, inbound, taken, talk

ADDRESSES: tuple[dict[str, str], ...] = (
    {"host": "evil.example"},
    {"host": "127.0.0.1"},
    {"host": ""},
    {"host": "a?b#c"},
    {"host": "a/b"},
    {"host": "[::1"},
    {"host": "user@evil.example:99999"},
    {"x-forwarded-host": "evil.example", "x-forwarded-proto": "http", "x-forwarded-port": "81"},
    {"x-forwarded-prefix": "/evil", "x-original-url": "/evil", "x-rewrite-url": "/evil"},
    {"forwarded": "for=1.2.3.4;host=evil.example;proto=http"},
)


async def test_only_the_public_address_counts_when_headers_tell_of_another(api: Api) -> None:
    session, number = await talk(api)
    for address in ADDRESSES:
        text = inbound(api, ALICE, number, "hello")
        headers, body = text.signed()
        believed = await api.http.post(text.path, headers={**headers, **address}, content=body)
        host = address.get("x-forwarded-host") or address.get("host") or "evil.example"
        for base_url in (INSIDE_URL, f"http://{host}", f"https://{host}", PUBLIC_URL.replace("https", "http")):
            headers, body = inbound(api, ALICE, number, "let me in").signed(base_url=base_url)
            forged = await api.http.post(text.path, headers={**headers, **address}, content=body)
            assert forged.status_code == 403, (base_url, address)

        assert believed.status_code == 204, address
    assert await taken(api, session) == len(ADDRESSES)


async def test_the_default_port_may_be_signed_or_not_when_twilio_signs(api: Api) -> None:
    session, number = await talk(api)
    answers = [
        await inbound(api, ALICE, number, "hello").post(api, base_url=base_url)
        for base_url in (PUBLIC_URL, PUBLIC_URL + ":443", PUBLIC_URL + ":8443")
    ]

    assert [answer.status_code for answer in answers] == [204, 204, 403]
    assert await taken(api, session) == 2
