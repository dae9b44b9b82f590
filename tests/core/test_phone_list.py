"""Files with phones, as other systems write them."""

from __future__ import annotations

import pytest

from relay.core.phone_list import phones_in

_A, _B = "+12025550177", "+12025550188"
_BOTH = [(1, _A), (2, _B)]
_BELOW = [(2, _A), (3, _B)]

FILES = {
    "one a line": (f"{_A}\n{_B}\n", _BOTH),
    "with blanks": (f"  {_A}\r\n\n # ours\n{_B}", [(1, _A), (4, _B)]),
    "with a mark at the beginning": (f"\ufeff{_A}\n{_B}", _BOTH),
    "spelled for people": ("+1 202-555-0177\n+1 (202) 555-0188", [(1, "+1 202-555-0177"), (2, "+1 (202) 555-0188")]),
    "CSV without heading": (f"{_A},STOP\n{_B},STOP", _BOTH),
    "CSV with heading": (f"name,Phone,at\nAnn,{_A},2026\nBob,{_B},2026", _BELOW),
    "CSV with spaces in its heading": (f"at,Phone Number\n2026,{_A}\n2026,{_B}", _BELOW),
    "CSV in quotes": (f'"name","phone"\n"Ann, the first","{_A}"\n"Bob","{_B}"', _BELOW),
    "CSV of phones in quotes": (f'"{_A}","x"\n"{_B}","x"', _BOTH),
    "CSV with a short row": (f"name,phone\nAnn\nBob,{_B}", [(2, ""), (3, _B)]),
    "NDJSON of objects": (f'{{"phone": "{_A}", "at": 1}}\n{{"to": "{_B}"}}', _BOTH),
    "NDJSON of texts": (f'"{_A}"\n"{_B}"', _BOTH),
    "NDJSON without phones": ('{"name": "Ann"}\n{"phone": 7}\n{"phone"', [(1, ""), (2, ""), (3, "")]),
    "no phones": ("Ann\nBob", [(1, "Ann"), (2, "Bob")]),
    "nothing": ("", []),
}


@pytest.mark.parametrize("name", FILES)
def test_phones_are_found_with_their_lines_when_a_file_is_read(name: str) -> None:
    text, expected = FILES[name]

    assert list(phones_in(text.splitlines())) == expected
