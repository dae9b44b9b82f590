"""Which addresses are public: each range that is not, the disguises of IPv4 in IPv6, and what must stay reachable."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from relay.core.addresses import is_loopback, is_public

#: Public by ``ipaddress.is_global`` in Python 3.11, and not at all in truth.
TRAPS = [
    *("64:ff9b::7f00:1", "2002:7f00:1::", "::127.0.0.1", "224.0.0.1", "ff02::1", "5f00::1", "3fff::1"),
    *("192.88.99.1", "ff0e::1", "::ffff:0:127.0.0.1", "::ffff:0:7f00:1", "100::1:0:0:0:1", "239.255.255.250"),
    *("2002:a9fe:a9fe::", "2002:0a00:0001:1::1", "64:ff9b::a9fe:a9fe", "64:ff9b::10.0.0.1", "192.31.196.1"),
    *("192.52.193.1", "192.175.48.1", "2620:4f:8000::1", "4000::1", "1fff::1", "168.63.129.16"),
]

#: Where clouds tell a machine its secrets.
METADATA = ["169.254.169.254", "fd00:ec2::254", "fe80::a9fe:a9fe", "100.100.100.200", "192.0.0.192", "169.254.170.2"]

PRIVATE = [
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.254"),
    *("169.254.0.1", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.9", "192.0.0.170", "192.0.2.1"),
    *("192.168.0.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:224.0.0.1", "::8.8.8.8"),
    *("64:ff9b:1::1", "64:ff9b:1::8.8.8.8", "100::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2"),
    *("2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1", "2001:1ff:ffff::1", "fc00::1", "fdff::1", "fe80::1"),
    *("fec0::1", "ff01::1", "ff05::2", "3fff:fff:ffff::1", "2002:c0a8:0101::1", "2002:e000:1::1"),
]

PUBLIC = [
    *("8.8.8.8", "1.1.1.1", "93.184.216.34", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1", "11.0.0.1"),
    *("198.17.255.255", "198.20.0.1", "223.255.255.255", "192.0.1.1", "168.63.129.17", "169.253.0.1", "192.167.0.1"),
    *("2606:4700:4700::1111", "2a00:1450:4001::1", "2001:200::1", "2001:4860:4860::8888", "2620:4f:8001::1"),
    *("::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1", "2003::1", "3ffe::1"),
]

NO_ADDRESS = [
    "",
    "x",
    "localhost",
    "127.1",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "2130706433",
    "fe80::1%eth0",
    "2606::1%1",
    "[::1]",
]


@pytest.mark.parametrize("address", [*TRAPS, *METADATA, *PRIVATE])
def test_an_address_is_refused_when_it_is_not_a_public_one(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_is_taken_when_it_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("text", NO_ADDRESS)
def test_what_is_no_address_is_not_public(text: str) -> None:
    assert not is_public(text)
    assert not is_loopback(text)


@given(st.integers(0, 2**32 - 1))
@example(0x7F000001)
@settings(max_examples=300, deadline=None)
def test_an_address_is_judged_the_same_when_it_is_wrapped(number: int) -> None:
    plain = is_public(str(IPv4Address(number)))

    for wrapped in (0xFFFF << 32 | number, 0x64FF9B << 96 | number, 0x2002 << 112 | number << 80 | 1):
        assert is_public(str(IPv6Address(wrapped))) is plain


@given(st.integers(0, 2**125 - 1))
@settings(max_examples=100, deadline=None)
def test_nothing_is_public_in_ipv6_when_it_is_no_global_unicast(low: int) -> None:
    for top in (4, 5, 6, 7):
        assert not is_public(str(IPv6Address(top << 125 | low)))


@pytest.mark.parametrize(
    ("address", "is_one"), [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("10.0.0.1", False)]
)
def test_loopback_is_this_machine_alone(address: str, is_one: bool) -> None:
    assert is_loopback(address) is is_one
