"""A relay in the style of the providers' samples: Flask, SQLAlchemy and requests, everything inline, served by gunicorn.

The webhook is answered when the carrier has taken the text. A text that it does not take is a 500 to the carrier, and a
copy of that text is not sent either.
"""

from __future__ import annotations

import os

import requests
from flask import Flask, Response, abort, request
from sqlalchemy import case, create_engine, make_url, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from tests.bench.baselines.settings import Settings, read_settings
from tests.bench.baselines.webhooks import MAY_FOLLOW, is_genuine


class Base(DeclarativeBase):
    """The tables as this build sees them; schema.sql makes them."""


class Conversation(Base):
    """Who a text is for."""

    __tablename__ = "conversation"

    number: Mapped[str] = mapped_column(primary_key=True)
    phone: Mapped[str] = mapped_column(primary_key=True)
    other_number: Mapped[str]
    other_phone: Mapped[str]


class Message(Base):
    """A text on its way."""

    __tablename__ = "message"

    id: Mapped[int] = mapped_column(primary_key=True)
    inbound_sid: Mapped[str]
    sender: Mapped[str]
    recipient: Mapped[str]
    body: Mapped[str]
    state: Mapped[str] = mapped_column(default="received")
    outbound_sid: Mapped[str | None]


class Carrier:
    """The provider's REST API, over connections that are kept."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._http = requests.Session()
        self._http.auth = (settings.account_sid, settings.auth_token)
        self._http.trust_env = False  # looks for proxies and a .netrc before every request

    def send(self, message: Message) -> str:
        """Hand a text over; the carrier's id of it. Raises requests.RequestException when it is not taken."""
        text = {
            "From": message.sender,
            "To": message.recipient,
            "Body": message.body,
            "StatusCallback": self._settings.receipt_url(message.id),
        }
        answer = self._http.post(self._settings.messages_url, data=text, timeout=10)
        answer.raise_for_status()
        sid: str = answer.json()["sid"]
        return sid


def create_app() -> Flask:
    """One worker's application, with its own connections to the database and to the carrier."""
    settings = read_settings(os.environ)
    sessions = sessionmaker(
        create_engine(make_url(settings.database_url).set(drivername="postgresql+psycopg"), hide_parameters=True),
        expire_on_commit=False,  # nothing is read again after a commit
    )
    carrier = Carrier(settings)
    app = Flask(__name__)

    @app.post("/inbound")
    def inbound() -> Response:
        _refuse_forged(settings.auth_token, settings.inbound_url)
        message = _store(sessions)
        if message is not None:
            _mark_accepted(sessions, message, carrier.send(message))
        return Response(status=204)

    @app.post("/receipts/<int:message_id>")
    def receipt(message_id: int) -> Response:
        _refuse_forged(settings.auth_token, settings.receipt_url(message_id))
        _mark_reported(sessions, message_id, request.form["MessageStatus"])
        return Response(status=204)

    @app.get("/healthz")
    def healthz() -> Response:
        return Response(status=200)

    return app


def _refuse_forged(auth_token: str, url: str) -> None:
    signature = request.headers.get("X-Twilio-Signature", "")
    if not is_genuine(auth_token, url, request.form, signature=signature):
        abort(403)


def _store(sessions: sessionmaker[Session]) -> Message | None:
    """The message that the posted text becomes; None for a copy, and for a text that is for nobody."""
    form = request.form
    try:
        with sessions.begin() as session:
            route = session.get(Conversation, (form["To"], form["From"]))
            if route is None:
                return None
            message = Message(
                inbound_sid=form["MessageSid"],
                sender=route.other_number,
                recipient=route.other_phone,
                body=form["Body"],
            )
            session.add(message)
    except IntegrityError:
        return None
    return message


def _mark_accepted(sessions: sessionmaker[Session], message: Message, outbound_sid: str) -> None:
    # Not by changing the object: its receipt may have been noted by the other worker in the meantime.
    state = case((Message.state == "received", "accepted"), else_=Message.state)
    with sessions.begin() as session:
        session.execute(
            update(Message).where(Message.id == message.id).values(outbound_sid=outbound_sid, state=state),
            execution_options={"synchronize_session": False},
        )


def _mark_reported(sessions: sessionmaker[Session], message_id: int, status: str) -> None:
    before = MAY_FOLLOW.get(status, ())
    with sessions.begin() as session:
        session.execute(
            update(Message).where(Message.id == message_id, Message.state.in_(before)).values(state=status),
            execution_options={"synchronize_session": False},
        )
