"""Phones of people and our own numbers, read from text into one canonical spelling.

A phone is personal data: printing one shows a masked form, and no error here repeats what was given. ``Phone.parse``
is for what callers of the API send and is thorough; ``from_carrier`` is for the hot path and looks at the shape only;
``parse_number`` is for the numbers that we rent. This is the only user of ``phonenumbers``.

The danger: a phone is found again by its spelling, so a second spelling of the same phone would be a second person,
and a spelling put right by guessing could be a stranger. Whatever is not already E.164 (ITU-T E.164, 7 to 15 digits
after the +) is refused, never repaired.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Self

import phonenumbers
from phonenumbers import PhoneNumber, PhoneNumberFormat, PhoneNumberType, timezone

from relay.core.errors import InvalidPhone

NON_GEOGRAPHIC = "001"  # what phonenumbers calls the home of +883 and the like; UN M.49 for the world

_SEPARATORS = str.maketrans("", "", " -.()")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_SHORT_CODE = re.compile(r"[0-9]{3,8}")
# Without a plus, up to eight digits are a short code; a carrier's international form is longer.
_FROM_CARRIER = re.compile(r"\+[1-9][0-9]{6,14}|[1-9][0-9]{8,14}")

# Named one by one so that a kind which a later phonenumbers adds is refused. Personal numbers (+1 500, +44 70) are
# missing on purpose: the caller pays for wherever they forward to, which makes them a vehicle of toll fraud.
_LINES_OF_PEOPLE = frozenset(
    {
        PhoneNumberType.MOBILE,
        PhoneNumberType.FIXED_LINE,
        PhoneNumberType.FIXED_LINE_OR_MOBILE,
        PhoneNumberType.VOIP,
    }
)


class NumberKind(StrEnum):
    """What sort of number we rent; carriers allow each its own speed."""

    LONG_CODE = "long_code"
    TOLL_FREE = "toll_free"
    SHORT_CODE = "short_code"


@dataclass(frozen=True, slots=True, repr=False)
class Phone:
    """A person's phone. Made by ``parse``; equal when ``e164`` is equal; never shows itself when printed."""

    e164: str

    @classmethod
    def parse(cls, text: str, field: str = "phone") -> Self:
        """Read an E.164 phone that a person can have. Spaces, dashes, dots and parentheses are overlooked.

        Raises InvalidPhone for ``field``: ``phone_invalid`` where it is no phone in use anywhere, and
        ``phone_kind_refused`` for premium-rate, shared-cost, toll-free, personal, pager, voicemail and company lines.
        """
        number = _parsed(text.translate(_SEPARATORS))
        if number is None:
            raise InvalidPhone(field, "must be a phone in E.164 form: a plus, the country code and all digits")
        if phonenumbers.number_type(number) not in _LINES_OF_PEOPLE:
            message = "must be a fixed or mobile phone, not a premium, toll-free or other special line"
            raise InvalidPhone(field, message, code="phone_kind_refused")
        return cls(_e164(number))

    @property
    def country(self) -> str:
        """ISO 3166-1 alpha-2, like ``US``; ``001`` for a phone that belongs to no country."""
        return _country(phonenumbers.parse(self.e164))

    @property
    def area_code(self) -> str:
        """The national destination code of a geographic number, like ``202``; empty for all others."""
        return _area_code(phonenumbers.parse(self.e164))

    @property
    def calling_code(self) -> str:
        """The country calling code without its plus, like ``1`` or ``46``."""
        return calling_code(self.e164)

    def __str__(self) -> str:
        return masked(self.e164)

    def __repr__(self) -> str:
        return f"Phone({masked(self.e164)})"


@dataclass(frozen=True, slots=True)
class NumberFacts:
    """What the spelling of one of our numbers tells. ``e164`` of a short code is its bare digits."""

    e164: str
    country: str
    area_code: str
    kind: NumberKind


def parse_number(text: str, country: str | None = None) -> NumberFacts:
    """Read a number that we rent: E.164 with its plus, or a short code of 3 to 8 digits.

    A short code does not say where it works and needs ``country`` (ISO 3166-1 alpha-2); a number with a plus says so
    itself, and ``country`` is not looked at. Raises InvalidPhone with ``number_invalid``, ``number_kind_refused``
    (premium-rate and other special lines) or ``country_invalid``.
    """
    bare = text.translate(_SEPARATORS)
    if _SHORT_CODE.fullmatch(bare):
        if country not in phonenumbers.SUPPORTED_REGIONS:
            message = "a short code needs its country: two capital letters, ISO 3166-1"
            raise InvalidPhone("country", message, code="country_invalid")
        return NumberFacts(bare, country, "", NumberKind.SHORT_CODE)
    number = _parsed(bare)
    if number is None:
        message = "must be a number in E.164 form with its plus, or a short code of 3 to 8 digits"
        raise InvalidPhone("number", message, code="number_invalid")
    return NumberFacts(_e164(number), _country(number), _area_code(number), _kind(number))


def as_stored(text: str) -> str:
    """How a number of ours would be spelled in our tables, whether we have it or not."""
    return text.translate(_SEPARATORS)


def from_carrier(text: str) -> str | None:
    """The sender of an inbound SMS as E.164 with its plus, or None for short codes and alphanumeric senders.

    Judges the shape alone (a full parse costs too much per inbound SMS) and takes the plus or not, as providers differ.
    What comes back is a phone and as personal as a ``Phone``, without its masked form.
    """
    if not _FROM_CARRIER.fullmatch(text):
        return None
    return text if text.startswith("+") else f"+{text}"


def time_zones(e164: str) -> tuple[str, ...]:
    """The time zones in which this phone may be, as IANA names: one of most geographic numbers, many of a mobile one in a wide
    country, none where nothing is known."""
    found = timezone.time_zones_for_number(phonenumbers.parse(e164))
    return tuple(name for name in found if name != timezone.UNKNOWN_TIMEZONE)


def masked(e164: str) -> str:
    """A form fit for people to look at, like ``+1******0177``: at least five national digits are always hidden."""
    if not _E164.fullmatch(e164):
        return "******"
    code = calling_code(e164)
    national = e164[1 + len(code) :]
    tail = national[5:][-4:]
    return f"+{code}{'*' * (len(national) - len(tail))}{tail}"


def _parsed(bare: str) -> PhoneNumber | None:
    """The number that ``bare`` spells exactly, if it is one in use according to the numbering plans."""
    if not _E164.fullmatch(bare):
        return None
    try:
        number = phonenumbers.parse(bare)
    except phonenumbers.NumberParseException:
        return None
    # phonenumbers drops trunk prefixes and doubled country codes (+44 0..., +1 1...); that is guessing whom one meant.
    if _e164(number) != bare or phonenumbers.number_type(number) == PhoneNumberType.UNKNOWN:
        return None
    return number


def _kind(number: PhoneNumber) -> NumberKind:
    kind = phonenumbers.number_type(number)
    if kind == PhoneNumberType.TOLL_FREE:
        return NumberKind.TOLL_FREE
    if kind not in _LINES_OF_PEOPLE:
        message = "must be a fixed, mobile or toll-free number, or a short code"
        raise InvalidPhone("number", message, code="number_kind_refused")
    return NumberKind.LONG_CODE


def _e164(number: PhoneNumber) -> str:
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def _country(number: PhoneNumber) -> str:
    # None only for a phone that was valid when it was read and is gone from a later edition of the numbering plans.
    return phonenumbers.region_code_for_number(number) or NON_GEOGRAPHIC


def _area_code(number: PhoneNumber) -> str:
    length = phonenumbers.length_of_geographical_area_code(number)
    return phonenumbers.national_significant_number(number)[:length]


@lru_cache(maxsize=65536)
def calling_code(e164: str) -> str:
    """The country calling code at the start, without the plus; empty for short codes and where there is none. No code is the
    beginning of another, so the first that exists is the one."""
    if not e164.startswith("+"):
        return ""
    candidates = (e164[1:end] for end in (2, 3, 4))
    return next((code for code in candidates if int(code) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE), "")
