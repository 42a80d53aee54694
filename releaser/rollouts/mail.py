"""Sending mail by the vendor's server: each message to one recipient, with an answer that says what became of it.

What people wrote goes into headers by the standard library's own types, which fold and encode it; a line's end in it is
no line's end there.
"""

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from pathlib import Path

from patchline.patches.errors import SettingsError, StateError
from patchline.patches.files import read_file
from patchline.patches.passphrases import credential
from patchline.releaser.settings import Settings

SENT, REFUSED, NOT_SENT = "sent", "refused", "not-sent"
_PATIENCE_S = 30
_LONGEST_PASSWORD = 1024
_LONGEST_TOLD = 500


@dataclass(frozen=True)
class Mail:
    """One message.

    Attributes:
        identity: becomes its message id, so that a copy is known as one.
    """

    name: str
    address: str
    subject: str
    body: str
    identity: str


@dataclass(frozen=True)
class Answer:
    """What became of a message.

    Attributes:
        outcome: `sent`, `refused` for good or for now, `not-sent` where it never got that far; None when nobody knows.
        told: what the server said.
        gone: the server answers no more.
    """

    outcome: str | None
    told: str
    gone: bool = False


def message(mail: Mail, sender: str, now: datetime) -> EmailMessage:
    """Return a mail as it goes out.

    Raises:
        StateError: sender or recipient is no address.
    """
    made = EmailMessage()
    try:
        made["From"] = _address(*parseaddr(sender))
        made["To"] = _address(mail.name, mail.address)
        made["Subject"] = _line(mail.subject)
        made["Date"] = format_datetime(now)
        made["Message-ID"] = f"<{mail.identity[:40]}@{made['From'].addresses[0].domain}>"
    except (ValueError, MessageError, IndexError) as error:
        raise StateError("mail-server", f"{mail.address!r} cannot be written to: {error}") from None
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(mail.body, cte="quoted-printable")
    return made


def _address(name: str, address: str) -> Address:
    return Address(_line(name), addr_spec=address)


def _line(text: str) -> str:
    """Return text as one line of printable characters."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


class Server:
    """A mail server to which we are connected."""

    def __init__(self, client: smtplib.SMTP, sender: str) -> None:
        self._client = client
        self._sender = sender

    def send(self, mail: Mail, now: datetime) -> Answer:
        """Hand one message over."""
        try:
            made = message(mail, self._sender, now)
            data = made.as_bytes(policy=made.policy.clone(linesep="\r\n"))
        except StateError as error:
            return Answer(REFUSED, error.message[:_LONGEST_TOLD])
        try:
            if refused := self._refused(mail):
                return refused
        except (smtplib.SMTPException, OSError) as error:
            return Answer(NOT_SENT, _words(error), gone=True)
        return self._hand_over(data)

    def _refused(self, mail: Mail) -> Answer | None:
        for code, said in (
            self._client.mail(parseaddr(self._sender)[1]),
            self._client.rcpt(mail.address),
        ):
            if code // 100 != 2:
                with suppress(smtplib.SMTPException, OSError):
                    self._client.rset()
                return Answer(REFUSED, _said(code, said), gone=code == 421)
        return None

    def _hand_over(self, data: bytes) -> Answer:
        try:
            code, said = self._client.data(data)
        except smtplib.SMTPDataError as error:
            return Answer(REFUSED, _said(error.smtp_code, error.smtp_error))
        except (smtplib.SMTPException, OSError) as error:
            # It may lie at the server or not: that nobody gets it twice counts more.
            return Answer(None, _words(error), gone=True)
        return Answer(SENT if code // 100 == 2 else REFUSED, _said(code, said))


@contextmanager
def connected(settings: Settings) -> Iterator[Server]:
    """Connect to the mail server of the settings.

    Raises:
        SettingsError: they name none, or no sender, or the password cannot be used.
        StateError: the server does not answer or lets us not in.
    """
    if settings.smtp_host is None or settings.smtp_from is None:
        raise SettingsError("smtp", "the settings name no mail server, or nobody from whom notices come")
    password = _password(settings) if settings.smtp_user is not None else None
    where = f"{settings.smtp_host}:{settings.smtp_port}"
    try:
        client = smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=_PATIENCE_S)
    except (smtplib.SMTPException, OSError) as error:
        raise StateError("mail-server", f"the mail server {where} does not answer: {_words(error)}") from None
    try:
        _sign_in(client, settings, password)
        yield Server(client, settings.smtp_from)
    except (smtplib.SMTPException, OSError) as error:
        raise StateError("mail-server", f"the mail server {where}: {_words(error)}") from None
    finally:
        with suppress(smtplib.SMTPException, OSError):
            client.quit()
        client.close()


def _sign_in(client: smtplib.SMTP, settings: Settings, password: str | None) -> None:
    if settings.smtp_starttls:
        client.starttls(context=ssl.create_default_context())
    client.ehlo_or_helo_if_needed()
    if settings.smtp_user is not None and password is not None:
        client.login(settings.smtp_user, password)


def _password(settings: Settings) -> str:
    if settings.smtp_password_file is not None:
        path = Path(settings.smtp_password_file)
        if path.stat().st_mode & 0o077:
            raise SettingsError("smtp-password", f"others than its owner may read {path}")
        found = read_file(path, limit=_LONGEST_PASSWORD)
    else:
        found = credential("smtp") or b""
    if not found.strip():
        raise SettingsError("smtp-password", "there is no password for the mail server")
    return found.decode("utf-8", "strict").rstrip("\r\n")


def _said(code: int, said: bytes | str) -> str:
    text = said if isinstance(said, str) else said.decode("utf-8", "replace")
    return f"{code} {_line(text)}"[:_LONGEST_TOLD]


def _words(error: Exception) -> str:
    return _line(str(error) or type(error).__name__)[:_LONGEST_TOLD]
