"""What an endpoint answers, declared: the document that describes the API is made from this, and tests hold the API to it.

Nothing here runs when a request is answered. A field shows by an example what it holds; examples of whole answers are put
together from those.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from relay.core.ids import ENTROPY_BYTES, IdKind, make_id, public

_MADE_AT = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)


class Shown(BaseModel):
    """Something that is answered. More fields may come: whoever reads it passes over those that they do not know."""

    model_config = ConfigDict(frozen=True)


@dataclass(frozen=True, slots=True)
class Raw:
    """An answer that others than we have laid down, or that is no JSON."""

    media_type: str
    example: str | None = None


@dataclass(frozen=True, slots=True)
class Answers:
    """What an endpoint answers when all is well (``kind`` None: nothing but the status), and which refusals are its own:
    codes of ``refusals.REFUSALS``. Those that every endpoint of its kind has need not be named."""

    kind: type[BaseModel] | Raw | None
    status: int = 200
    refusals: tuple[str, ...] = ()
    otherwise: Answers | None = None

    @property
    def successes(self) -> tuple[Answers, ...]:
        """Each way of being well."""
        return (self, *(self.otherwise.successes if self.otherwise else ()))


def gives(
    kind: type[BaseModel] | Raw | None, *refusals: str, status: int = 200, otherwise: Answers | None = None
) -> Answers:
    """As a row of a table of routes says it. ``otherwise``: what it answers with another status when all is well, too."""
    return Answers(kind, 204 if kind is None else status, refusals, otherwise)


def example_id(kind: IdKind, nth: int = 1) -> str:
    """An id as examples have it: always the same for the same kind."""
    return public(kind, make_id(17, _MADE_AT, nth.to_bytes(ENTROPY_BYTES, "big")))


def _id(kind: IdKind, what: str) -> Any:
    return Annotated[
        str, Field(pattern=f"^{kind}_[a-z2-7]{{26}}$", description=f"id of {what}", examples=[example_id(kind)])
    ]


AccountId = _id(IdKind.ACCOUNT, "an account")
ConnectionId = _id(IdKind.CONNECTION, "a connection")
EndpointId = _id(IdKind.ENDPOINT, "a webhook")
EventId = _id(IdKind.EVENT, "an event")
KeyId = _id(IdKind.KEY, "an API key")
MessageId = _id(IdKind.MESSAGE, "a message")
NumberId = _id(IdKind.NUMBER, "a number")
ParticipantId = _id(IdKind.PARTICIPANT, "a participant")
PoolId = _id(IdKind.POOL, "a pool")
RequestId = _id(IdKind.REQUEST, "a request")
RuleId = _id(IdKind.RULE, "a keyword rule")
SuppressionId = _id(IdKind.SUPPRESSION, "an opt-out")
TemplateId = _id(IdKind.TEMPLATE, "a template")
SessionId = _id(IdKind.SESSION, "a session")
VerificationId = _id(IdKind.VERIFICATION, "a verification")
WitnessId = _id(IdKind.WITNESS, "a witness")

Time = Annotated[
    str,
    Field(json_schema_extra={"format": "date-time"}, description="RFC 3339, UTC", examples=["2026-11-20T08:00:00Z"]),
]
E164 = Annotated[
    str, Field(pattern=r"^\+?[0-9]{3,15}$", description="E.164, or a short code", examples=["+12025550101"])
]
Words = Annotated[str, Field(examples=["..."])]
Count = Annotated[int, Field(ge=0, examples=[2])]
Seconds = Annotated[int, Field(ge=0, description="seconds", examples=[86400])]
Address = Annotated[str, Field(json_schema_extra={"format": "uri"}, examples=["https://relay.example.com/..."])]

T = TypeVar("T")


class Page(Shown, Generic[T]):
    """A page of a list, newest first."""

    data: list[T]
    next_cursor: Annotated[str | None, Field(description="as ?cursor= it leads to the next page", examples=[None])]


class FieldProblem(Shown):
    """What is wrong with one field of the request."""

    field: Annotated[str, Field(examples=["participants.1.phone"])]
    code: Annotated[str, Field(pattern="^[a-z_]+$", examples=["phone_invalid"])]
    message: Annotated[str, Field(examples=["must be a phone in E.164 form"])]


class ProblemDocument(Shown):
    """Every refusal: problem details (RFC 9457). ``code`` is for programs and stable, ``detail`` is for people."""

    type: Annotated[str, Field(examples=["about:blank"])]
    title: Annotated[str, Field(examples=["Invalid input"])]
    status: Annotated[int, Field(ge=400, le=599, examples=[422])]
    code: Annotated[str, Field(pattern="^[a-z_]+$", examples=["phone_invalid"])]
    detail: Annotated[str, Field(examples=["participants.1.phone: must be a phone in E.164 form"])]
    request_id: Annotated[str, Field(max_length=64, examples=["req_5f0c7be4a91d2e63480b17af"])]
    errors: Annotated[list[FieldProblem], Field(default_factory=list, description="with status 422")]
    reason: Annotated[str, Field(description="with status 409: which constraint failed, where one did")] = ""
