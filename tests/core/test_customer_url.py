"""URLs of customers: what is taken and how it is spelled, and everything that two readers could read in two ways."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.core.customer_url import LONGEST, CustomerUrl
from relay.core.errors import InvalidInput

TAKEN = [
    ("https://hooks.example", "https://hooks.example/"),
    ("https://hooks.example:443/a?b=c", "https://hooks.example/a?b=c"),
    ("HTTPS://Hooks.Example:8443/A%2Fb", "https://hooks.example:8443/A%2Fb"),
    ("https://hooks.example./x", "https://hooks.example/x"),
    ("https://hooks.example:/x", "https://hooks.example/x"),
    ("https://my_hooks.example/?", "https://my_hooks.example/"),
    ("https://bücher.example/x", "https://xn--bcher-kva.example/x"),
    ("https://BÜCHER.example/x", "https://xn--bcher-kva.example/x"),
    ("https://xn--bcher-kva.example/x", "https://xn--bcher-kva.example/x"),
    ("https://8.8.8.8/x", "https://8.8.8.8/x"),
    ("https://[2606:4700::1111]:8443/x", "https://[2606:4700::1111]:8443/x"),
    ("https://example.com/@x:y", "https://example.com/@x:y"),
    ("https://1e100.net/", "https://1e100.net/"),
]

REFUSED = [
    *(
        (text, "url_scheme")
        for text in ("http://a.example", "ftp://a.example", "a.example", "//a.example", "", "file:///x")
    ),
    *((text, "url_scheme") for text in ("javascript:alert(1)", "gopher://a.example", "https.a.example/x")),
    *((text, "url_userinfo") for text in ("https://u@a.example", "https://u:p@a.example", "https://@a.example")),
    ("https://8.8.8.8@127.0.0.1/", "url_userinfo"),
    *(
        (text, "url_fragment")
        for text in ("https://a.example/#", "https://a.example#@8.8.8.8/", "https://a.example/x#y")
    ),
    *((f"https://a.example:{port}/", "url_port") for port in (80, 22, 5432, 8080, 444, 0, 65536, "x", "-1", "443:443")),
    *(
        (f"https://{host}/", "url_host")
        for host in ("", "a", "localhost", "x.localhost", "a..b", "-a.b", "a-.b", "a,b.c")
    ),
    *(
        (f"https://{host}/", "url_host")
        for host in ("a%2eb", "a'b.c", "x" * 64 + ".com", ".".join(["x" * 60] * 5), ".")
    ),
    # Names that normalisation changes.
    *(
        (f"https://{host}/", "url_host")
        for host in ("faß.example", "１２７.0.0.1", "127。0。0。1", "①.example", "ⓛocalhost")
    ),
    *((f"https://{host}/", "url_host") for host in ("a\u200d.example", "a\u00ad.example", "ελλάς.example")),
    # The other spellings of an address.
    *(
        (f"https://{host}/", "url_address")
        for host in ("127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0x")
    ),
    *(
        (f"https://{host}/", "url_address")
        for host in ("0177.0.0.1", "017700000001", "1.2.3.4.5", "8.8.8.08", "a.0x7f")
    ),
    *(
        (f"https://{host}/", "url_address")
        for host in ("127.0.0.1", "127.0.0.1.", "10.0.0.1", "169.254.169.254", "0.0.0.0")
    ),
    *(
        (f"https://{host}/", "url_address")
        for host in ("[::1]", "[fd00:ec2::254]", "[::ffff:10.0.0.1]", "[64:ff9b::7f00:1]")
    ),
    *((f"https://{host}/", "url_address") for host in ("[2002:7f00:1::]", "[ff02::1]", "224.0.0.1", "168.63.129.16")),
    *(
        (text, "url_invalid")
        for text in ("https://a.example/ x", " https://a.example", "https://a.example\n", "https://\ta.b")
    ),
    *(
        (text, "url_invalid")
        for text in (r"https://a.example\@8.8.8.8/", r"https:\\a.example", "https://a.example/\x00")
    ),
    *(
        (text, "url_invalid")
        for text in ("https://[::1", "https://[x]/", "https://a.example/é", "https://a.example/?é")
    ),
    ("https://a.example/" + "x" * LONGEST, "url_too_long"),
]


@pytest.mark.parametrize(("text", "spelled"), TAKEN)
def test_a_url_is_taken_when_it_is_plain(text: str, spelled: str) -> None:
    url = CustomerUrl.parse(text, "url", http_allowed=False)

    assert url.text == spelled
    assert CustomerUrl.parse(url.text, "url", http_allowed=False) == url


@pytest.mark.parametrize(("text", "code"), REFUSED)
def test_a_url_is_refused_when_it_is_unusual(text: str, code: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        CustomerUrl.parse(text, "url", http_allowed=False)

    (problem,) = refusal.value.problems
    assert (problem.field, problem.code) == ("url", code)


@pytest.mark.parametrize(
    "host", ["[8.8.8.8]", "[v1.a.example]", "[2606:4700::1111]a.example", "[fe80::1%25eth0]", "[fe80::1%1]"]
)
def test_brackets_hold_an_ipv6_address_or_are_refused(host: str) -> None:
    with pytest.raises(InvalidInput):
        CustomerUrl.parse(f"https://{host}/", "url", http_allowed=False)


@pytest.mark.parametrize(
    "text", ["https://u:secret@a.example/", "https://127.0.0.1/secret", "https://a.example/secret#x"]
)
def test_a_refusal_does_not_repeat_the_url(text: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        CustomerUrl.parse(text, "url", http_allowed=False)

    assert "secret" not in f"{refusal.value!r} {refusal.value} {refusal.value.problems}"


def test_nothing_but_the_host_is_shown() -> None:
    url = CustomerUrl.parse("https://hooks.example/secret?secret", "url", http_allowed=False)

    assert f"{url} {url!r}" == "CustomerUrl(hooks.example) CustomerUrl(hooks.example)"


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("http://127.0.0.1:9000/x", "http://127.0.0.1:9000/x"),
        ("http://localhost:80/x", "http://localhost/x"),
        ("http://[::1]:9000", "http://[::1]:9000/"),
        ("http://hooks.example", "http://hooks.example/"),
        ("https://localhost:9000/x", "https://localhost:9000/x"),
    ],
)
def test_this_machine_may_be_called_when_it_is_the_sandbox(text: str, spelled: str) -> None:
    assert CustomerUrl.parse(text, "url", http_allowed=True).text == spelled


@pytest.mark.parametrize(
    "text", ["http://10.0.0.1/", "http://169.254.169.254/", "http://127.1/", "http://u@localhost/"]
)
def test_nothing_else_is_relaxed_when_it_is_the_sandbox(text: str) -> None:
    with pytest.raises(InvalidInput):
        CustomerUrl.parse(text, "url", http_allowed=True)


@given(st.text(max_size=40), st.booleans())
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_url_or_refused(text: str, http_allowed: bool) -> None:
    for candidate in (text, f"https://{text}", f"https://a.example{text}"):
        try:
            url = CustomerUrl.parse(candidate, "url", http_allowed=http_allowed)
        except InvalidInput:
            continue
        assert url.text.isascii()
        assert CustomerUrl.parse(url.text, "url", http_allowed=http_allowed) == url
