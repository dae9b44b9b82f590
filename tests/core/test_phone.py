"""Phones and numbers: what is read, what is refused, and that nothing shows a phone by accident.

Literal phones are from the ranges reserved for fiction. For kinds of line that have no such range, the numbering
plans' own example is asked for by country and kind; it is parsed here and goes nowhere.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from contextlib import suppress

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from relay.core.errors import InvalidPhone
from relay.core.phone import NumberFacts, NumberKind, Phone, from_carrier, masked, parse_number

AREA_CODES = [
    *(202, 203, 205, 206, 212, 213, 214, 215, 216, 240, 301, 302, 303, 305, 310, 312, 313, 314, 317, 321, 347, 404),
    *(408, 412, 415, 469, 480, 502, 503, 512, 602, 612, 615, 617, 619, 646, 650, 702, 713, 718, 801, 808, 813, 832),
    *(901, 907, 917, 972, 416, 514, 604, 787),
]
SWEDISH = [f"+4670174{line:04}" for line in range(605, 700)]

nearly_a_phone = st.one_of(
    st.from_regex(r"\A\+[0-9]{1,20}\Z"),
    st.from_regex(r"\A\+(1202555|1800555|4670174)[0-9]{3,5}\Z"),
    st.text(alphabet="+0123456789 -.()x;=٣۴ａ\x00\n", max_size=24),
    st.text(max_size=40),
)
quick = settings(max_examples=300, deadline=None)


def example_of(country: str, kind: int) -> str:
    number = phonenumbers.example_number_for_type(country, kind)
    assert number is not None
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


@pytest.mark.parametrize("area_code", AREA_CODES)
def test_every_phone_is_read_when_it_is_of_the_american_fiction_range(area_code: int) -> None:
    spelt = [f"+1{area_code}555{line:04}" for line in range(100, 200)]

    assert [Phone.parse(text).e164 for text in spelt] == spelt
    assert {Phone.parse(text).area_code for text in spelt} == {str(area_code)}


def test_every_phone_is_read_when_it_is_of_the_swedish_fiction_range() -> None:
    phones = [Phone.parse(text) for text in SWEDISH]

    assert [phone.e164 for phone in phones] == SWEDISH
    assert {(phone.country, phone.area_code, phone.calling_code) for phone in phones} == {("SE", "", "46")}


@pytest.mark.parametrize(
    "text",
    [
        "+12025550177",
        " +12025550177 ",
        "+1 202 555 0177",
        "+1 (202) 555-0177",
        "+1.202.555.0177",
        "+1-202-555-0177",
    ],
)
def test_one_phone_results_when_separators_differ(text: str) -> None:
    assert Phone.parse(text) == Phone("+12025550177")


@pytest.mark.parametrize(
    ("text", "country", "area_code", "calling_code"),
    [
        ("+12025550177", "US", "202", "1"),
        ("+14165550177", "CA", "416", "1"),
        ("+17875550177", "PR", "787", "1"),
        ("+18765550177", "JM", "", "1"),  # a mobile of a country with an area code of its own: not tied to an area
        ("+46701740677", "SE", "", "46"),
    ],
)
def test_home_is_known_when_phone_was_read(text: str, country: str, area_code: str, calling_code: str) -> None:
    phone = Phone.parse(text)

    assert (phone.country, phone.area_code, phone.calling_code) == (country, area_code, calling_code)


def test_country_is_the_world_when_phone_is_not_geographic() -> None:
    satellite = phonenumbers.example_number_for_non_geo_entity(883)
    assert satellite is not None

    phone = Phone.parse(phonenumbers.format_number(satellite, PhoneNumberFormat.E164))

    assert (phone.country, phone.area_code, phone.calling_code) == ("001", "", "883")


NOT_E164 = {
    "nothing": "",
    "a plus alone": "+",
    "no plus": "12025550177",
    "international prefix instead of the plus": "0012025550177",
    "national form": "(202) 555-0177",
    "a digit short": "+1202555017",
    "a digit too many": "+120255501777",
    "country code twice": "+112025550177",
    "trunk prefix left in": "+460701740677",
    "trunk prefix in parentheses": "+46 (0)70 174 06 77",
    "unassigned area code": "+19995550177",
    "unassigned country code": "+9992025550177",
    "two plus signs": "++12025550177",
    "plus at the end": "12025550177+",
    "extension": "+12025550177 x5",
    "RFC 3966 parameters": "+12025550177;ext=5",
    "URI": "tel:+12025550177",
    "letters": "+1202555HELP",
    "Arabic digits": "+1202555017٧",
    "full-width digits": "+1202555017７",
    "full-width plus": "\uff0b12025550177",
    "line end": "+12025550177\n",
    "NUL": "+12025550177\x00",
    "lone surrogate": "+1202555017\ud800",
    "very long": "+1" + "2" * 10_000,
    "very long separators": "+1" + "(" * 10_000,
    "sixteen digits": "+1202555017712345",
    "six digits": example_of("IR", PhoneNumberType.UAN),
}


@pytest.mark.parametrize("text", NOT_E164.values(), ids=NOT_E164.keys())
def test_phone_is_invalid_when_not_exact_e164(text: str) -> None:
    with pytest.raises(InvalidPhone) as refusal:
        Phone.parse(text)

    assert refusal.value.code == "phone_invalid"


NO_PERSONS_LINE = {
    "American premium rate": "+19005550123",
    "American toll-free": "+18005550199",
    "American toll-free, newer prefix": "+18335550199",
    "American personal number": "+15005550123",
    "premium rate": example_of("GB", PhoneNumberType.PREMIUM_RATE),
    "toll-free": example_of("SE", PhoneNumberType.TOLL_FREE),
    "shared cost": example_of("DE", PhoneNumberType.SHARED_COST),
    "personal number": example_of("GB", PhoneNumberType.PERSONAL_NUMBER),
    "pager": example_of("SE", PhoneNumberType.PAGER),
    "voicemail": example_of("SE", PhoneNumberType.VOICEMAIL),
    "company-wide": example_of("GB", PhoneNumberType.UAN),
}


@pytest.mark.parametrize("text", NO_PERSONS_LINE.values(), ids=NO_PERSONS_LINE.keys())
def test_kind_is_refused_when_no_person_has_such_a_line(text: str) -> None:
    with pytest.raises(InvalidPhone) as refusal:
        Phone.parse(text)

    assert refusal.value.code == "phone_kind_refused"


@quick
@given(nearly_a_phone)
def test_only_invalid_phone_is_raised_when_text_is_anything(text: str) -> None:
    """And what is accepted is canonical: reading it again gives the same, and the hot path agrees."""
    with suppress(InvalidPhone):
        phone = Phone.parse(text)

        assert Phone.parse(phone.e164) == phone
        assert from_carrier(phone.e164) == phone.e164


def test_field_is_named_when_phone_is_refused() -> None:
    with pytest.raises(InvalidPhone) as refusal:
        Phone.parse("nonsense", field="participants[1].phone")

    assert [problem.field for problem in refusal.value.problems] == ["participants[1].phone"]


@pytest.mark.parametrize("text", ["+19995550177", "+112025550177", "+9992025550177", "+19005550123", "12025550177"])
@pytest.mark.parametrize("read", [Phone.parse, parse_number])
def test_error_shows_no_digits_when_text_is_refused(read: Callable[[str], object], text: str) -> None:
    """The printed chain of exceptions counts too: a library's own message may quote what it was given."""
    with pytest.raises(InvalidPhone) as refusal:
        read(text)
    shown = "".join(traceback.format_exception_only(refusal.value)) + repr(refusal.value.problems)

    assert text[-7:] not in shown
    assert refusal.value.__cause__ is None


@pytest.mark.parametrize("show", [str, repr, "{}".format, "{!r}".format, lambda phone: repr([phone])])
@pytest.mark.parametrize(
    ("text", "mask"), [("+12025550177", "+1******0177"), ("+46701740677", "+46*****0677")], ids=["US", "SE"]
)
def test_phone_is_masked_when_printed(show: Callable[[Phone], object], text: str, mask: str) -> None:
    shown = str(show(Phone.parse(text)))

    assert mask in shown
    assert text[-7:] not in shown


@pytest.mark.parametrize(
    ("text", "mask"),
    [
        ("+12025550177", "+1******0177"),
        ("+120255501", "+1*****501"),
        ("+1202555", "+1*****5"),
        ("+9992025550177", "+*********0177"),  # no such country code: all of it is hidden but the tail
        ("Acme", "******"),
        ("12025550177", "******"),
        ("+1202555017٧", "******"),
        ("", "******"),
    ],
)
def test_at_least_five_national_digits_are_hidden_when_masked(text: str, mask: str) -> None:
    """Short national numbers show less, or nothing: the mask must not leave a phone that can be tried out."""
    assert masked(text) == mask


def test_phones_are_one_when_e164_is_equal() -> None:
    phones = {Phone.parse("+12025550177"), Phone.parse("+1 202 555 0177"), Phone.parse("+12025550178")}

    assert len(phones) == 2


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("+12025550177", "+12025550177"),
        ("12025550177", "+12025550177"),
        ("46701740677", "+46701740677"),
        ("+1202555", "+1202555"),
        ("+120255501771234", "+120255501771234"),
        ("+120255", None),
        ("+1202555017712345", None),
        ("1202555017712345", None),
        ("+02025550177", None),
        ("0012025550177", None),
        ("20255501", None),
        ("72404", None),
        ("Acme", None),
        ("", None),
        ("+1 202 555 0177", None),
        ("+12025550177\n", None),
        (" 12025550177", None),
        ("+1202555017٧", None),
        ("whatsapp:+12025550177", None),
        ("9" * 10_000, None),
    ],
)
def test_sender_is_known_by_shape_when_it_comes_from_a_carrier(text: str, canonical: str | None) -> None:
    assert from_carrier(text) == canonical


@pytest.mark.parametrize(
    ("text", "country", "facts"),
    [
        ("+12025550100", None, NumberFacts("+12025550100", "US", "202", NumberKind.LONG_CODE)),
        ("+1 (415) 555-0100", None, NumberFacts("+14155550100", "US", "415", NumberKind.LONG_CODE)),
        ("+46701740605", "US", NumberFacts("+46701740605", "SE", "", NumberKind.LONG_CODE)),
        ("+18005550199", None, NumberFacts("+18005550199", "US", "", NumberKind.TOLL_FREE)),
        ("72404", "US", NumberFacts("72404", "US", "", NumberKind.SHORT_CODE)),
        ("724", "SE", NumberFacts("724", "SE", "", NumberKind.SHORT_CODE)),
        ("72 404 404", "GB", NumberFacts("72404404", "GB", "", NumberKind.SHORT_CODE)),
    ],
)
def test_facts_are_read_when_number_is_ours(text: str, country: str | None, facts: NumberFacts) -> None:
    assert parse_number(text, country) == facts


@pytest.mark.parametrize(
    ("text", "country", "code"),
    [
        ("", None, "number_invalid"),
        ("72", "US", "number_invalid"),
        ("724044041", "US", "number_invalid"),
        ("12025550100", "US", "number_invalid"),
        ("+72404", "US", "number_invalid"),
        ("7240٤", "US", "number_invalid"),
        ("Acme", "US", "number_invalid"),
        ("+19995550100", None, "number_invalid"),
        ("+19005550100", None, "number_kind_refused"),
        ("+15005550100", None, "number_kind_refused"),
        ("72404", None, "country_invalid"),
        ("72404", "", "country_invalid"),
        ("72404", "us", "country_invalid"),
        ("72404", "XX", "country_invalid"),
        ("72404", "001", "country_invalid"),
    ],
)
def test_number_is_refused_when_it_cannot_be_rented(text: str, country: str | None, code: str) -> None:
    with pytest.raises(InvalidPhone) as refusal:
        parse_number(text, country)

    assert refusal.value.code == code


@quick
@given(
    st.one_of(nearly_a_phone, st.from_regex(r"\A[0-9]{2,9}\Z")),
    st.one_of(st.none(), st.text(max_size=3), st.just("US")),
)
def test_only_invalid_phone_is_raised_when_number_is_anything(text: str, country: str | None) -> None:
    with suppress(InvalidPhone):
        facts = parse_number(text, country)

        assert parse_number(facts.e164, facts.country) == facts
