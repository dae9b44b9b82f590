"""Which addresses on the network are public: the only ones that a URL given by a customer may lead to.

The danger: what stands beside us - the database, a cloud's metadata service, a neighbour's console - trusts whoever can
reach it, and we can. ``ipaddress.is_global`` alone is not enough: it calls multicast, translated and tunnelled addresses
public, and what it knows changes with the version of Python. So the special ranges are written out here, and both must agree.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address

#: IANA's special-purpose registry, multicast, and what was reserved once. The last is public by its number alone: it is
#: Azure's host, which hands out a machine's secrets to whatever runs on it.
_SPECIAL_4 = tuple(
    map(
        IPv4Network,
        (
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
            *("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24"),
            *("192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
            *("224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32"),
        ),
    )
)

#: Where public IPv6 addresses are. All else is local, multicast, reserved, or an IPv4 address in disguise.
_UNICAST_6 = IPv6Network("2000::/3")

#: Within that: protocols (with Teredo, ORCHID, benchmarks), documentation (twice), AS112.
_SPECIAL_6 = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "3fff::/20", "2620:4f:8000::/48")))

#: An IPv4 address lies in these, so many bits from the right: mapped, NAT64, 6to4. The packet goes to that one.
_WRAPPERS = ((IPv6Network("::ffff:0:0/96"), 0), (IPv6Network("64:ff9b::/96"), 0), (IPv6Network("2002::/16"), 80))


def is_public(text: str) -> bool:
    """May a connection to this address be made for a customer? What is no address is not public."""
    address = read_address(text)
    if address is None:
        return False
    inside = _inside(address)
    if isinstance(inside, IPv4Address):
        return inside.is_global and not any(inside in network for network in _SPECIAL_4)
    return inside.is_global and inside in _UNICAST_6 and not any(inside in network for network in _SPECIAL_6)


def is_loopback(text: str) -> bool:
    """Is it this machine itself, said plainly? ``127.0.0.0/8`` and ``::1``."""
    address = read_address(text)
    return address is not None and address.is_loopback


def read_address(text: str) -> Address | None:
    """The address in its usual spelling (four decimal parts; no zone), or None."""
    try:
        return ip_address(text) if "%" not in text else None
    except ValueError:
        return None


def _inside(address: Address) -> Address:
    for wrapper, shift in _WRAPPERS if isinstance(address, IPv6Address) else ():
        if address in wrapper:
            return IPv4Address(int(address) >> shift & 0xFFFFFFFF)
    return address
