"""``relay audit witness-key`` on the operator's machine."""

from __future__ import annotations

from tests.cli.command import Command
from tests.cli.conftest import Shop
from tests.evidence.logs import KEY, witness_named

GROUP = ("audit", "witness-key")
SHOP = ("--account", "shop")


def test_a_witness_is_made_known_listed_and_removed(relay: Command, shop: Shop) -> None:
    key = witness_named("auditor.example/w").public.written()
    added = relay.inside(*GROUP, "add", *SHOP, key)
    again = relay.inside(*GROUP, "add", *SHOP, key)
    no_witness = relay.inside(*GROUP, "add", *SHOP, KEY.public.written())
    (listed,) = relay.inside(*GROUP, "list", *SHOP, "--json").document["data"]
    removed = relay.inside(*GROUP, "remove", *SHOP, added.stdout.strip())
    gone = relay.inside(*GROUP, "remove", *SHOP, added.stdout.strip())
    left = relay.inside(*GROUP, "list", *SHOP, "--json").document["data"]

    assert (added.code, removed.code) == (0, 0)
    assert added.stdout.strip() == listed["id"]
    assert (listed["name"], listed["key"], listed["size"]) == ("auditor.example/w", key, None)
    assert again.refusal == "relay: this witness is known already"
    assert "must be the key of a witness" in no_witness.refusal
    assert "no such witness" in gone.refusal
    assert left == []
