"""Pages from templates, and the headers that every answer of the console carries.

Nothing of a third party is loaded, no script and no style stands in a page: the policy would stop it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from relay.web.wording import day, figure, moment

_HERE = Path(__file__).parent
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "font-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
_KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


class Pages:
    """Makes pages. ``base`` is what stands before every path, where the installation's public address has a path itself."""

    def __init__(self, base: str) -> None:
        self.base = base
        self._templates = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals["base"] = base
        self._templates.filters |= {"moment": moment, "figure": figure, "day": day}

    @property
    def filters(self) -> dict[str, Callable[..., object]]:
        return self._templates.filters

    def show(self, name: str, *, status: int = 200, **values: object) -> Response:
        return HTMLResponse(self._templates.get_template(name).render(**values), status)

    def trouble(self, status: int, title: str, words: str) -> Response:
        """A page that says what went wrong."""
        return self.show("trouble.html", status=status, title=title, words=words)

    def elsewhere(self, path: str) -> Response:
        """Go on at another page of the console."""
        return Response(status_code=303, headers={"location": f"{self.base}{path}"})


def static_files() -> dict[str, tuple[bytes, str]]:
    """Everything that pages load, from our own folder: name -> bytes and media type."""
    return {
        file.name: (file.read_bytes(), _KINDS[file.suffix])
        for file in sorted((_HERE / "static").iterdir())
        if file.suffix in _KINDS
    }
