"""Which cosignatures are taken, and what they say of a log as it is kept now."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from relay.core.cosigning import AHEAD, Log, Word, read_witness, stands, witnessed, words_in
from relay.core.errors import InvalidInput
from relay.core.notes import Checkpoint, Note, Signature, parse_checkpoint, parse_note, proven, signed
from relay.core.tiles import hashes_in
from relay.vault.log_keys import verify
from tests.evidence.logs import ACCOUNT, KEY, ORIGIN, LogKey, MadeLog, entry_at, made_of, witness_named

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
AT = int(NOW.timestamp())
ANN, BEN = witness_named("ann.example/w"), witness_named("ben.example/w")
WITNESSES = [ANN.public, BEN.public]
OTHER = LogKey("another log's key", "other.example/log/acc_x")
LOG = made_of(300)
#: One key signs for every log of an installation: a head of another, under this one's name.
NAMED_LIKE_US = Checkpoint(OTHER.public.name, 300, parse_checkpoint(LOG.head().text).root).text()
MISNAMED = Note(NAMED_LIKE_US, (signed(NAMED_LIKE_US, KEY.public, KEY.sign),))
HERE = Log(ORIGIN, 300, [KEY.public])


def taken(note: Note, log: Log = HERE) -> list[Word]:
    return words_in(note.written(), log, WITNESSES, NOW, verify)


def code_of(ask: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(InvalidInput) as caught:
        ask()
    (problem,) = caught.value.problems
    return problem.field, problem.code


def spoilt(note: Note, number: int) -> Note:
    """With the last bit of one signature turned over."""
    lines = list(note.signatures)
    line = lines[number]
    lines[number] = Signature(line.name, line.key_id, line.signature[:-1] + bytes([line.signature[-1] ^ 1]))
    return Note(note.text, tuple(lines))


@pytest.mark.parametrize(
    ("note", "code"),
    [
        (LOG.head(), "unknown_witness"),
        (witness_named("eve.example/w").under(LOG.head(), AT), "unknown_witness"),
        (witness_named("ann.example/w", "not Ann's secret").under(LOG.head(), AT), "unknown_witness"),
        (spoilt(ANN.under(LOG.head(), AT), 1), "signature_wrong"),
        (spoilt(BEN.under(ANN.under(LOG.head(), AT), AT), 1), "signature_wrong"),
        (Note(LOG.head().text, ANN.under(made_of(299).head(), AT).signatures), "not_our_head"),
        (spoilt(ANN.under(LOG.head(), AT), 0), "not_our_head"),
        (ANN.under(made_of(300, (OTHER,)).head(), AT), "not_our_head"),
        (ANN.under(made_of(300, (LogKey("a forger's key"),)).head(), AT), "not_our_head"),
        (ANN.under(MISNAMED, AT), "not_our_head"),
        (ANN.under(made_of(301).head(), AT), "not_our_head"),
        (ANN.under(made_of(0).head(), AT), "not_our_head"),
        (ANN.under(LOG.head(), AT + int(AHEAD.total_seconds()) + 1), "dated_ahead"),
        (ANN.under(LOG.head(), 2**62), "dated_ahead"),
    ],
)
def test_nothing_is_taken_when_a_head_or_a_signature_is_not_what_it_should_be(note: Note, code: str) -> None:
    assert code_of(lambda: taken(note)) == ("checkpoint", code)


@pytest.mark.parametrize("written", ["", "nonsense", "a\n\nb\n", f"{ORIGIN}\n3\nAA==\n\n— w AAAAAAAA\n"])
def test_what_is_no_checkpoint_is_refused_in_one_way(written: str) -> None:
    assert code_of(lambda: words_in(written, HERE, WITNESSES, NOW, verify))[0] == "checkpoint"


def test_each_witness_s_newest_word_is_taken_and_strangers_lines_are_left_out() -> None:
    eve = witness_named("eve.example/w")
    note = eve.under(ANN.under(BEN.under(ANN.under(LOG.head(), AT - 5), AT - 60), AT - 3), AT)

    found = {word.key: word for word in taken(note)}

    assert {key: (word.size, word.at) for key, word in found.items()} == {
        ANN.public: (300, NOW - timedelta(seconds=3)),
        BEN.public: (300, NOW - timedelta(seconds=60)),
    }
    for word in found.values():
        assert word.note == LOG.head()
        assert proven(word.whole(), [word.key], verify)[0].at == int(word.at.timestamp())


def test_a_head_of_an_earlier_size_and_a_clock_a_little_ahead_are_taken() -> None:
    (word,) = taken(ANN.under(LOG.head(7), AT + int(AHEAD.total_seconds())))

    assert (word.size, word.at - NOW) == (7, AHEAD)


def altered() -> MadeLog:
    log = MadeLog()
    log.add(entry_at(n if n != 5 else 1000) for n in range(400))
    return log


@pytest.mark.parametrize(
    ("size", "kept", "expected"),
    [(300, made_of(300), True), (300, made_of(700), True), (1, made_of(700), True), (256, made_of(300), True),
     (300, altered(), False), (4, altered(), True), (6, altered(), False), (300, made_of(299), False)],
)  # fmt: skip
def test_a_word_stands_as_long_as_what_is_kept_has_that_head(size: int, kept: MadeLog, expected: bool) -> None:
    (word,) = taken(ANN.under(LOG.head(size), AT))
    log = Log(ORIGIN, kept.size, [KEY.public])

    assert stands(word, log, hashes_in(kept.kept()), verify) is expected


def test_a_word_stands_not_when_the_witness_has_not_said_it() -> None:
    (word,) = taken(ANN.under(LOG.head(), AT))
    hashes = hashes_in(LOG.kept())
    of_ben = Word(BEN.public, word.size, word.note, word.signature, word.at)
    of_less = Word(word.key, 299, word.note, word.signature, word.at)

    assert stands(word, HERE, hashes, verify)
    assert not stands(of_ben, HERE, hashes, verify)
    assert not stands(of_less, HERE, hashes, verify)
    assert not stands(word, Log("other.example/log", 300, []), hashes, verify)
    assert not stands(word, HERE, hashes_in({}), verify)


def test_the_newest_witnessed_head_has_the_lines_of_all_who_signed_it() -> None:
    (older,) = taken(ANN.under(LOG.head(200), AT))
    ann, ben = taken(BEN.under(ANN.under(LOG.head(), AT - 9), AT - 8))

    both = witnessed([ann, older, ben])

    assert witnessed([]) is None
    assert witnessed([older, ben]) == BEN.under(LOG.head(), AT - 8)
    assert both is not None
    assert parse_note(both.written()) == both
    assert len(both.signatures) == 3
    assert {p.key for p in proven(both, [KEY.public, *WITNESSES], verify)} == {KEY.public, *WITNESSES}


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("nonsense", "invalid"),
        (ANN.public.written()[:-1], "invalid"),
        (KEY.public.written(), "not_a_witness"),
        (witness_named(f"relay.example/log/{ACCOUNT}").public.written(), "invalid"),
        (witness_named("w.example\u202e").public.written(), "invalid"),
        ("w.example\ud800+00000000+AA==", "invalid"),
    ],
)
def test_a_key_is_refused_when_it_is_no_witness_s(written: str, code: str) -> None:
    assert code_of(lambda: read_witness(written, f"/log/{ACCOUNT}")) == ("key", code)


def test_a_witness_s_key_is_read() -> None:
    assert read_witness(ANN.public.written(), f"/log/{ACCOUNT}") == ANN.public
