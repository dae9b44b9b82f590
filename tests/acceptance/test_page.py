"""The page with the two handsets, in a real browser: what each person sees, and what nobody does.

Pictures go to the folder that RELAY_TEST_PICTURES names, else to the test's own.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.sandbox.sandbox_process import DRIVER, RIDER, Running, running

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

LONG = ("The quick brown fox jumps over the lazy dog by the river bank. " * 7)[:400]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Running]:
    with running("--ephemeral") as started:
        yield started


@pytest.fixture
def page(browser: Browser, sandbox: Running) -> Iterator[Page]:
    """The page in a fresh browser profile. Whatever the browser complains about fails the test."""
    complaints: list[str] = []
    context = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme="light")
    opened = context.new_page()
    opened.set_default_timeout(8000)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None)
    opened.goto(f"{sandbox.url}/sandbox")
    yield opened
    context.close()
    assert complaints == []


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = Path(os.environ.get("RELAY_TEST_PICTURES") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def open_session(page: Page, one: str = RIDER, other: str = DRIVER) -> tuple[str, str]:
    """Open a session on the page; returns the numbers that the two handsets show."""
    page.fill("#phone-1", one)
    page.fill("#phone-2", other)
    page.click("text=Open a session")
    page.wait_for_selector("#text-1:enabled")
    return peer(page, 1), peer(page, 2)


def peer(page: Page, slot: int) -> str:
    return page.inner_text(f"#handset-{slot} [data-peer]").replace(" ", "")


def write(page: Page, slot: int, text: str) -> None:
    page.fill(f"#text-{slot}", text)
    page.press(f"#text-{slot}", "Enter")


def bubbles(page: Page, slot: int) -> list[tuple[str, str]]:
    """What a handset shows: ``in`` or ``out``, and the words."""
    shown = page.locator(f"#handset-{slot} .bubble").all()
    return [((one.get_attribute("class") or "").split()[1], one.locator("p").text_content() or "") for one in shown]


def wait_for_bubbles(page: Page, slot: int, count: int) -> list[tuple[str, str]]:
    page.wait_for_selector(f"#handset-{slot} .bubble >> nth={count - 1}")
    return bubbles(page, slot)


def state_of_the_newest(page: Page, word: str) -> None:
    page.wait_for_selector(f".messages li:first-child .state.{word}")


def test_each_handset_shows_its_own_conversation_when_two_people_text(page: Page, pictures: Path) -> None:
    to_rider, to_driver = open_session(page)

    write(page, 1, "By the red door 🚪🧥")
    wait_for_bubbles(page, 2, 1)
    write(page, 2, "Two minutes, with an umbrella ☔🚗")
    wait_for_bubbles(page, 1, 2)
    state_of_the_newest(page, "delivered")
    page.screenshot(path=pictures / "both-ways.png", animations="disabled")
    write(page, 2, LONG)
    wait_for_bubbles(page, 1, 3)
    page.click("#handset-2 [data-word=STOP]")
    wait_for_bubbles(page, 2, 5)
    write(page, 1, "Are you there?")
    refused = wait_for_bubbles(page, 1, 5)
    page.click("#handset-2 [data-word=START]")
    wait_for_bubbles(page, 2, 7)
    page.click("text=Close session")
    page.wait_for_selector("text=Closed. Nothing was on its way.")
    write(page, 1, "My scarf is in your car 🧣")
    rider = wait_for_bubbles(page, 1, 7)
    driver = bubbles(page, 2)
    page.screenshot(path=pictures / "closed.png", animations="disabled")

    assert refused[3:] == [("out", "Are you there?"), ("in", "Your message could not be delivered.")]
    assert rider == [
        ("out", "By the red door 🚪🧥"),
        ("in", "Two minutes, with an umbrella ☔🚗"),
        ("in", LONG),
        *refused[3:],
        ("out", "My scarf is in your car 🧣"),
        ("in", "This conversation has ended. Your message was not delivered."),
    ]
    assert [driver[i] for i in (0, 1, 2, 3, 5)] == [
        ("in", "By the red door 🚪🧥"),
        ("out", "Two minutes, with an umbrella ☔🚗"),
        ("out", LONG),
        ("out", "STOP"),
        ("out", "START"),
    ]
    assert len(driver) == 7
    assert (peer(page, 1), peer(page, 2)) == (to_rider, to_driver)
    assert _nobody_else_is_on(page, 1, DRIVER)
    assert _nobody_else_is_on(page, 2, RIDER)
    kept = page.inner_text("[data-kept]")
    assert "gone with the session" in kept
    assert not re.search("red door|scarf|lazy dog", kept)


def _nobody_else_is_on(page: Page, slot: int, phone: str) -> bool:
    """Whether a handset's screen is free of the other person's phone."""
    return phone[1:] not in re.sub(r"\D", "", page.inner_text(f"#handset-{slot} .screen"))


def test_the_apis_own_sentence_is_shown_when_a_mistake_is_made(page: Page, pictures: Path) -> None:
    def complaint_after(one: str, other: str) -> str:
        page.fill("#phone-1", one)
        page.fill("#phone-2", other)
        page.click("text=Open a session")
        page.wait_for_selector("[data-problem]:visible")
        said = page.inner_text("[data-problem]")
        page.screenshot(path=pictures / "mistake.png", animations="disabled")
        page.evaluate("document.querySelector('[data-problem]').hidden = true")
        return said

    same_person = complaint_after("+12025550150", "+12025550150")
    bad_phone = complaint_after("+12025550150", "0701740655")
    our_number = complaint_after("+12025550150", "+46701740605")
    open_session(page, "+12025550150", "+46701740655")
    page.click("text=Close session")
    page.wait_for_selector("text=Closed.")
    page.click("text=Text both")
    page.wait_for_selector("[data-problem]:visible")

    assert same_person == "participants.1.phone: the two participants must be different people"
    assert bad_phone.startswith("participants.1.phone: must be a phone in E.164 form")
    assert our_number.endswith("this is one of our own numbers, not a person's phone")
    assert page.inner_text("[data-problem]") == "the session is closed"


def test_markup_is_shown_as_words_when_somebody_texts_it(page: Page) -> None:
    open_session(page, "+12025550151", "+46701740656")
    hostile = "<img src=x onerror=alert(1)> & <script>alert(2)</script>"

    write(page, 1, hostile)
    shown = wait_for_bubbles(page, 2, 1)

    assert shown == [("in", hostile)]
    assert page.query_selector(".thread img, .thread script") is None


def test_old_and_new_conversation_stand_apart_when_a_second_session_is_opened(page: Page) -> None:
    old, _ = open_session(page, "+12025550152", "+46701740657")
    write(page, 1, "to the first driver")
    wait_for_bubbles(page, 1, 1)
    page.fill("#phone-2", "+46701740658")
    page.click("text=Open a session")
    page.wait_for_selector("#handset-1 [data-threads] button >> nth=1")
    new, empty = peer(page, 1), bubbles(page, 1)
    page.click("#handset-1 [data-threads] button >> nth=0")
    again = wait_for_bubbles(page, 1, 1)

    assert new != old
    assert empty == []
    assert (peer(page, 1), again) == (old, [("out", "to the first driver")])


def test_everything_is_still_there_when_the_page_is_reloaded(page: Page) -> None:
    numbers = open_session(page, "+12025550153", "+46701740659")
    write(page, 1, "before the reload")
    wait_for_bubbles(page, 2, 1)

    page.reload()
    shown = wait_for_bubbles(page, 2, 1)

    assert shown == [("in", "before the reload")]
    assert (peer(page, 1), peer(page, 2)) == numbers


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_cut_off_when_the_window_is_as_wide_as_a_phone(page: Page, pictures: Path, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    open_session(page, "+12025550154", "+46701740660")
    write(page, 1, "x" * 200)
    wait_for_bubbles(page, 2, 1)
    page.screenshot(path=pictures / f"desktop-{scheme}.png", animations="disabled")
    page.set_viewport_size({"width": 390, "height": 844})
    page.screenshot(path=pictures / f"narrow-{scheme}.png", full_page=True, animations="disabled")

    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.set_viewport_size({"width": 1280, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    page.click("text=Close session")
