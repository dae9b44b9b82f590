"""``relay suppressions``: a file goes in, a list without phones comes out."""

from __future__ import annotations

from pathlib import Path

from relay.core.optouts import OptOutReason
from relay.core.phone import Phone
from relay.wiring import Relay
from tests.cli.command import Command
from tests.cli.conftest import Shop
from tests.services.people import ALICE, BOB, CAROL

_SHOP = ("--account", "shop")


def test_a_list_goes_in_and_comes_out_without_phones_when_it_is_a_file(
    relay: Command, shop: Shop, tmp_path: Path
) -> None:
    file = tmp_path / "list.csv"
    file.write_text(f"name,phone\nAnn,{ALICE}\nBob,{BOB}\nAnn again,{ALICE}\nNobody,none\n", "utf-8")
    taken = relay.inside("suppressions", "import", str(file), *_SHOP)
    again = relay.inside("suppressions", "import", str(file), *_SHOP, "--json", "--reason", "complaint")
    listed = relay.inside("suppressions", "export", *_SHOP, "--json").document["data"]
    table = relay.inside("suppressions", "export", *_SHOP)

    assert (taken.code, taken.stdout) == (1, "")
    assert taken.stderr.splitlines() == [
        "2 are new on the list, 1 were there already or came twice",
        "relay: no phone that a person can have in line 5",
    ]
    assert again.document == {"new": 0, "known": 3, "invalid": [{"place": 5, "code": "phone_invalid"}]}
    assert [(one["source"], one["reason"]) for one in listed] == [("import", "earlier_system")] * 2
    assert len(table.stdout.splitlines()) == 3
    assert not any(phone[2:] in done.stdout + done.stderr for phone in (ALICE, BOB) for done in (taken, again, table))


def test_lines_are_named_when_a_list_is_compared(relay: Command, shop: Shop) -> None:
    async def stop(house: Relay) -> None:
        await house.suppressions.add(shop.account, Phone.parse(BOB), OptOutReason.COMPLAINT)

    shop.look(stop)
    done = relay("suppressions", "check", "-", *_SHOP, stdin=f"{ALICE}\n{BOB}\n{CAROL}\n")

    assert (done.code, done.stdout) == (0, "2\n")
    assert done.stderr == "1 of 3 are on the list\n"


def test_a_file_is_refused_when_it_cannot_be_read(relay: Command, shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for name in ("missing", "binary"):
        done = relay.inside("suppressions", "import", str(tmp_path / name), *_SHOP)

        assert done.refusal == "relay: the file cannot be read as text in UTF-8"
