"""The story's acts, in order: each plays on the stage, expects, and is told.

An act may rely on what the ones before it left behind; that is what ``Plot`` carries. The last acts, about what is kept,
are in ``tour_evidence``.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from relay.sandbox.demo import spaced
from relay.sandbox.tour_stage import Line, Mistold, Person, Ride, Stage, expect
from relay.sandbox.tour_teller import Teller

ADA = Person("Ada", "+12025550177")
BJORN = Person("Björn", "+46701740677")
OTHERS = tuple(Person(f"No. {n}", f"+1415555016{n}") for n in range(10))

_NO_PHOTOS = "Photos and other attachments are not passed on here. Please send text only."
_NOT_DELIVERED = "Your message could not be delivered."
_ENDED = "This conversation has ended. Your message was not delivered."
_COOL_DOWN = 72 * 3600  # seconds; what the account has when nobody changes it


@dataclass(slots=True)
class Plot:
    """Who plays, who tells, and the ride that the first act opens."""

    stage: Stage
    teller: Teller
    ride: Ride = field(init=False)

    def number_of(self, person: Person) -> str:
        """The number that this person texts in the first ride."""
        return self.ride.numbers[person.phone]


async def a_session_is_opened(plot: Plot) -> None:
    stage, teller = plot.stage, plot.teller
    teller.act(
        "A ride is booked",
        "Ada needs a ride and Björn drives. The marketplace opens a session with both phones, and each of the two "
        "is given a number to text.",
    )
    plot.ride = await stage.open(ADA, BJORN)
    teller.table({p.name: f"{spaced(p.phone)}  texts  {spaced(plot.number_of(p))}" for p in (ADA, BJORN)})
    _is_not_in(stage.answers, ADA, BJORN)
    teller.held("the API's answer holds both numbers and neither phone")


async def they_write(plot: Plot) -> None:
    plot.teller.act("They write to each other", "Plain SMS, no app. What one writes comes out at the other.")
    read = await _crosses(plot, ADA, BJORN, "I'm by the red door, in the blue coat 🚪🧥")
    read += await _crosses(plot, BJORN, ADA, "Two minutes away, and I brought an umbrella ☔🚗")
    plot.teller.lines(read)
    plot.teller.held("each reads the other's words, emoji and all, and sees one number: their own")
    _is_not_in((f"{line.peer} {line.text}" for line in read if line.person == ADA), BJORN)
    _is_not_in((f"{line.peer} {line.text}" for line in read if line.person == BJORN), ADA)
    plot.teller.held("neither phone is anywhere on the other's handset")


async def a_photo(plot: Plot) -> None:
    stage, number, caption = plot.stage, plot.number_of(ADA), "This is the gate"
    plot.teller.act("A photo", "A picture can show a face or a street: its words are passed on, the picture is not.")
    await stage.text(ADA, number, caption, photos=1)
    read = await stage.shows(BJORN, ("in", plot.number_of(BJORN), caption))
    read += await stage.shows(ADA, ("out", number, caption), ("in", number, _NO_PHOTOS))
    stage.crossed(2)
    plot.teller.lines(read)
    plot.teller.held("the caption arrived, the photo did not, and its sender was told")


async def stop(plot: Plot) -> None:
    stage, number, words = plot.stage, plot.number_of(ADA), "Are you there?"
    plot.teller.act("STOP", "Björn has had enough texts. STOP works on every number, and is not passed on.")
    read = await _keyword(plot, "STOP")
    stage.changes["participant.opted_out"] += 1
    await stage.text(ADA, number, words)
    read += await stage.shows(ADA, ("out", number, words), ("in", number, _NOT_DELIVERED))
    plot.teller.lines(read)
    await _was_refused(plot, "opted_out")
    plot.teller.held("Ada's text was refused. She is told that it was not delivered, and not why")


async def start(plot: Plot) -> None:
    plot.teller.act("START", "Björn changes his mind.")
    read = await _keyword(plot, "START")
    plot.stage.changes["participant.opted_in"] += 1
    read += await _crosses(plot, BJORN, ADA, "Sorry about that, please do write")
    read += await _crosses(plot, ADA, BJORN, "Meet you at the gate")
    plot.teller.lines(read)
    plot.teller.held("texts reach him again")


async def the_session_is_closed(plot: Plot) -> None:
    plot.teller.act("The ride is over", "The marketplace closes the session. After that answer nothing more leaves.")
    await plot.stage.close(plot.ride)
    kept = await plot.stage.kept(plot.ride.id)
    expect("sealed phones", expected=[None, None], saw=[seat["sealed_phone"] for seat in kept["participants"]])
    plot.teller.held("the session's two sealed phones are gone, deleted in the transaction that closed it")


async def a_late_text(plot: Plot) -> None:
    stage, number, words = plot.stage, plot.number_of(ADA), "I left my scarf in your car!"
    plot.teller.act("A late text", "Ada writes once more, to the number that is still in her phone.")
    await stage.text(ADA, number, words)
    plot.teller.lines(await stage.shows(ADA, ("out", number, words), ("in", number, _ENDED)))
    await _was_refused(plot, "late")
    plot.teller.held("she is answered, and Björn's phone stays quiet")


async def the_number_cools_down(plot: Plot) -> None:
    stage, old = plot.stage, plot.number_of(ADA)
    plot.teller.act(
        "The number cools down",
        f"For 72 hours {spaced(old)} leads from Ada to nobody else, or her late text could reach a stranger. Ada's "
        "area has ten numbers. She books nine rides at once, then a tenth.",
    )
    rides = [await stage.open(ADA, other, geo_match="area-code") for other in OTHERS[:9]]
    given = {ride.numbers[ADA.phone] for ride in rides}
    expect("numbers, and the cooling one among them", expected=(9, False), saw=(len(given), old in given))
    plot.teller.held("nine rides have nine different numbers, and none of them is the one that is cooling")
    plot.teller.held(f"the tenth is refused, and the answer says when to ask again: in {await _wait(plot)}")
    for ride in rides:
        await stage.close(ride)


async def the_clock_moves_on(plot: Plot) -> None:
    stage, old, words = plot.stage, plot.number_of(ADA), "Hello, I am your driver today 🚙"
    plot.teller.act("Eighty hours later", "The sandbox's clock is moved. Now Ada gets all ten rides.")
    await stage.advance(80)
    await _numbers_are_free(plot)
    plot.teller.held("the two numbers of her first ride have gone back to the pool")
    rides = [(await stage.open(ADA, other, geo_match="area-code"), other) for other in OTHERS]
    again = [(ride, other) for ride, other in rides if ride.numbers[ADA.phone] == old]
    expect("rides on the old number", expected=1, saw=len(again))
    (ride, other) = again[0]
    plot.teller.held(f"{spaced(old)} is among them: the same number for Ada, now with somebody else behind it")
    began = time.monotonic()
    await stage.text(other, ride.numbers[other.phone], words)
    read = await stage.shows(ADA, ("in", old, words))
    stage.crossed()
    plot.teller.lines(read)
    plot.teller.held(f"the new driver's text was on Ada's phone after {time.monotonic() - began:.2f} s")
    await _reaches_nobody(plot, BJORN, "Ada, is this still you?")
    plot.teller.held("a text from Björn to his own old number reaches nobody at all")


async def _numbers_are_free(plot: Plot) -> None:
    async def look() -> list[bool]:
        return [seat["holds_number"] for seat in (await plot.stage.kept(plot.ride.id))["participants"]]

    await plot.stage.soon(
        look, what="whether the first ride's people still hold their numbers", expected=[False, False]
    )


async def _crosses(plot: Plot, sender: Person, reader: Person, words: str) -> list[Line]:
    """One writes, both handsets show it."""
    await plot.stage.text(sender, plot.number_of(sender), words)
    read = await plot.stage.shows(sender, ("out", plot.number_of(sender), words))
    read += await plot.stage.shows(reader, ("in", plot.number_of(reader), words))
    plot.stage.crossed()
    return read


async def _keyword(plot: Plot, word: str) -> list[Line]:
    """Björn texts a keyword: the carrier answers it, and it goes to nobody."""
    stage, number, before = plot.stage, plot.number_of(BJORN), await plot.stage.sends()
    await stage.text(BJORN, number, word)
    read = await stage.hears(BJORN, number, word)
    stage.changes["message.refused"] += 1
    expect(f"sends after {word}", expected=before, saw=await stage.sends())
    return read


async def _was_refused(plot: Plot, reason: str) -> None:
    """Ada's last text went to nobody, and she was answered."""
    expect("Ada's text", expected=("refused", reason), saw=await plot.stage.last_text(plot.ride))
    last = (await plot.stage.sends())[-1]
    expect("whom the last send went to", expected=ADA.phone, saw=last["to"])
    await plot.stage.shows(BJORN)
    plot.stage.changes["message.refused"] += 1
    plot.stage.crossed()


async def _wait(plot: Plot) -> str:
    refused = await plot.stage.try_to_open(ADA, OTHERS[9], geo_match="area-code")
    expect(
        "the tenth ride", expected=(409, "no_number_available"), saw=(refused.status_code, refused.json().get("code"))
    )
    seconds = int(refused.headers["retry-after"])
    if not _COOL_DOWN - 600 < seconds <= _COOL_DOWN + 1:
        raise Mistold("when to ask again", expected="a little less than 72 hours", saw=f"{seconds} s")
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"


async def _reaches_nobody(plot: Plot, person: Person, words: str) -> None:
    stage, number, before = plot.stage, plot.number_of(person), await plot.stage.sends()
    await stage.text(person, number, words)
    await stage.shows(person, ("out", number, words))
    stage.changes["message.refused"] += 1
    expect("sends after that", expected=before, saw=await stage.sends())


def _is_not_in(texts: Iterable[str], *people: Person) -> None:
    for text in texts:
        for person in people:
            expect(f"{person.name}'s phone in what others see", expected=False, saw=person.phone[1:] in text)
