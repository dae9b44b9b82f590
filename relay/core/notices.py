"""What Relay itself says to a person, by language. An account may put its own words in place of any of these.

No notice says why a text was not delivered to the other person, and none names anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from relay.core.routing import Notice

DEFAULT_LANGUAGE = "en"


class Phrase(StrEnum):
    """What Relay says in words that an account may change: the notices, the one confirmation after STOP, the first text of a
    session, and the sentence a caller hears."""

    ENDED = Notice.ENDED
    UNDELIVERABLE = Notice.UNDELIVERABLE
    MEDIA = Notice.MEDIA
    HELP = Notice.HELP
    STOPPED = "stopped"
    GREETING = "greeting"
    CALL = "call"


_PHRASES: Mapping[str, Mapping[Phrase, str]] = {
    "en": {
        Phrase.ENDED: "This conversation has ended. Your message was not delivered.",
        Phrase.UNDELIVERABLE: "Your message could not be delivered.",
        Phrase.MEDIA: "Photos and other attachments are not passed on here. Please send text only.",
        Phrase.HELP: "{programme}This number passes texts on between two people. {contact}Reply STOP to get no more.",
        Phrase.STOPPED: "You will get no more texts from us. Reply START to change that.",
        Phrase.GREETING: (
            "{programme}You are connected. Text this number to reach the other person; neither sees the other's number. "
            "{contact}Reply STOP to get no more."
        ),
        Phrase.CALL: "This number takes text messages only. Goodbye.",
    },
    "de": {
        Phrase.ENDED: "Diese Unterhaltung ist beendet. Ihre Nachricht wurde nicht zugestellt.",
        Phrase.UNDELIVERABLE: "Ihre Nachricht konnte nicht zugestellt werden.",
        Phrase.MEDIA: "Fotos und andere Anhänge werden hier nicht weitergeleitet. Bitte nur Text senden.",
        Phrase.HELP: "{programme}Diese Nummer leitet SMS zwischen zwei Personen weiter. {contact}STOP beendet das.",
        Phrase.STOPPED: "Sie erhalten keine weiteren SMS von uns. Mit START ändern Sie das.",
        Phrase.GREETING: (
            "{programme}Sie sind verbunden. SMS an diese Nummer erreichen die andere Person; "
            "keiner sieht die Nummer des anderen. {contact}STOP beendet das."
        ),
        Phrase.CALL: "Unter dieser Nummer sind nur Textnachrichten möglich. Auf Wiederhören.",
    },
    "es": {
        Phrase.ENDED: "Esta conversación ha terminado. Tu mensaje no se ha entregado.",
        Phrase.UNDELIVERABLE: "Tu mensaje no se ha podido entregar.",
        Phrase.MEDIA: "Aquí no se reenvían fotos ni otros adjuntos. Envía solo texto.",
        Phrase.HELP: "{programme}Este número reenvía mensajes entre dos personas. {contact}Responde STOP para no recibir más.",
        Phrase.STOPPED: "No recibirás más mensajes nuestros. Responde START para cambiarlo.",
        Phrase.GREETING: (
            "{programme}Ya pueden hablar. Escribe a este número para llegar a la otra persona; nadie ve el número del otro. "
            "{contact}Responde STOP para no recibir más."
        ),
        Phrase.CALL: "Este número solo acepta mensajes de texto. Adiós.",
    },
    "fr": {
        Phrase.ENDED: "Cette conversation est terminée. Votre message n'a pas été remis.",
        Phrase.UNDELIVERABLE: "Votre message n'a pas pu être remis.",
        Phrase.MEDIA: "Les photos et autres pièces jointes ne sont pas transmises ici. Envoyez du texte seulement.",
        Phrase.HELP: "{programme}Ce numéro transmet des SMS entre deux personnes. {contact}STOP pour ne plus en recevoir.",
        Phrase.STOPPED: "Vous ne recevrez plus de SMS de notre part. Répondez START pour changer cela.",
        Phrase.GREETING: (
            "{programme}Vous êtes en contact. Écrivez à ce numéro pour joindre l'autre personne ; "
            "aucun ne voit le numéro de l'autre. {contact}STOP pour ne plus en recevoir."
        ),
        Phrase.CALL: "Ce numéro n'accepte que les SMS. Au revoir.",
    },
    "sv": {
        Phrase.ENDED: "Den här konversationen är avslutad. Ditt meddelande levererades inte.",
        Phrase.UNDELIVERABLE: "Ditt meddelande kunde inte levereras.",
        Phrase.MEDIA: "Bilder och andra bilagor skickas inte vidare här. Skicka bara text.",
        Phrase.HELP: "{programme}Det här numret skickar sms vidare mellan två personer. {contact}Svara STOP för att slippa fler.",
        Phrase.STOPPED: "Du får inga fler sms från oss. Svara START för att ändra det.",
        Phrase.GREETING: (
            "{programme}Ni är i kontakt. Skriv till det här numret för att nå den andra personen; ingen ser den andras nummer. "
            "{contact}Svara STOP för att slippa fler."
        ),
        Phrase.CALL: "Det här numret tar bara emot sms. Hej då.",
    },
}

LANGUAGES = frozenset(_PHRASES)

#: The text that carries a code, with and without a programme to name. It says nothing else, and no account words it anew.
_CODES: Mapping[str, tuple[str, str]] = {
    "en": (
        "{code} is your code for {programme}. It is valid for 5 minutes.",
        "{code} is your code. It is valid for 5 minutes.",
    ),
    "de": ("{code} ist Ihr Code für {programme}. Er gilt 5 Minuten.", "{code} ist Ihr Code. Er gilt 5 Minuten."),
    "es": ("{code} es tu código para {programme}. Vale 5 minutos.", "{code} es tu código. Vale 5 minutos."),
    "fr": (
        "{code} est votre code pour {programme}. Il est valable 5 minutes.",
        "{code} est votre code. Il est valable 5 minutes.",
    ),
    "sv": ("{code} är din kod för {programme}. Den gäller i 5 minuter.", "{code} är din kod. Den gäller i 5 minuter."),
}


def say(phrase: Phrase, *, language: str, own_words: Mapping[str, str], programme: str = "", contact: str = "") -> str:
    """The words for a phrase: the account's own, else those of its language."""
    words = own_words.get(phrase) or _PHRASES.get(language, _PHRASES[DEFAULT_LANGUAGE])[phrase]
    named = f"{programme}: " if programme else ""
    reach = f"{contact}. " if contact else ""
    return words.replace("{programme}", named).replace("{contact}", reach).strip()


def say_code(code: str, *, language: str, programme: str = "") -> str:
    """The text that carries a code."""
    named, nameless = _CODES.get(language, _CODES[DEFAULT_LANGUAGE])
    return (named if programme else nameless).replace("{code}", code).replace("{programme}", programme)
