"""How the simulated carrier says no on Twilio's REST surface: an HTTP status, an error code, and words.

Codes and shapes follow Twilio's error dictionary (https://www.twilio.com/docs/api/errors). The words may hold the
phone that was asked for, as Twilio's do: a relay that lets provider words through must be caught by its own tests.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import JSONResponse

_WORDS: Mapping[int, str] = {
    20001: "Unknown parameters",
    20003: "Authenticate",
    20009: "Cannot delete this resource before it is complete",
    20404: "The requested resource was not found",
    20429: "Too Many Requests",
    20500: "An internal server error has occurred",
    21602: "Message body is required.",
    21603: "A 'From' phone number is required.",
    21604: "A 'To' phone number is required.",
    21609: "The 'StatusCallback' is not a valid URL.",
    21610: "Attempt to send to unsubscribed recipient",
    21617: "The concatenated message body exceeds the 1600 character limit.",
}


class Refusal(Exception):
    """The carrier does not do what was asked; `status` and `code` say why."""

    def __init__(self, status: int, code: int, message: str | None = None) -> None:
        self.status = status
        self.code = code
        self.message = message or _WORDS.get(code, "The request was refused.")
        super().__init__(f"{status}/{code}")

    def answer(self) -> JSONResponse:
        """The HTTP answer: Twilio's four fields, and `Retry-After` where waiting helps."""
        document = {
            "code": self.code,
            "message": self.message,
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }
        headers = {401: {"WWW-Authenticate": 'Basic realm="Twilio API"'}, 429: {"Retry-After": "1"}}
        return JSONResponse(document, self.status, headers.get(self.status))
