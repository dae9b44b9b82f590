"""The page with the two handsets: rendered here once, kept up to date by a little JavaScript of its own.

Whatever the page shows later comes over the sandbox's routes and is put in as text, never as markup. Nothing of a third
party is loaded, and ``Guard`` sends the policy that would stop it.
"""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from relay.core.phone import Phone
from relay.sandbox.demo import PEOPLE, spaced

_HERE = Path(__file__).parent
_templates = Environment(
    loader=FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)
_templates.filters["spaced"] = spaced


async def show(_: Request) -> Response:
    """The page before anything has happened."""
    people = [{"slot": 1, "role": "rider", "phone": PEOPLE[0]}, {"slot": 2, "role": "driver", "phone": PEOPLE[1]}]
    proposals = [{"phone": phone, "country": Phone.parse(phone).country} for phone in PEOPLE]
    return HTMLResponse(_templates.get_template("phones.html").render(people=people, proposals=proposals))


def static_files() -> StaticFiles:
    """Style and script, from our own folder."""
    return StaticFiles(directory=_HERE / "static")
