"""A real SMTP server for tests: it keeps what it takes, refuses whom it is told to, and can go away in the middle."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass
class Postbox:
    """What a server took.

    Attributes:
        refuses: recipients that it does not take.
        breaks_after: it closes the connection when so many messages were taken: `rcpt` before the next message is
            handed over, `data` after that.
    """

    messages: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    refuses: frozenset[str] = frozenset()
    breaks_after: int | None = None
    breaks_at: str = "rcpt"
    port: int = 0

    def _breaks(self, server: SMTP, at: str) -> bool:
        if self.breaks_after is None or len(self.messages) < self.breaks_after or at != self.breaks_at:
            return False
        server.transport.close()
        return True

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self._breaks(server, "rcpt"):
            return "421 going down"
        if address in self.refuses:
            return "550 no such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.messages.append(message_from_bytes(envelope.content, policy=policy.default))  # type: ignore[arg-type]
        self.recipients += envelope.rcpt_tos
        return "421 going down" if self._breaks_data(server) else "250 OK"

    def _breaks_data(self, server: SMTP) -> bool:
        if self.breaks_after is None or self.breaks_at != "data" or len(self.messages) <= self.breaks_after:
            return False
        server.transport.close()
        return True


@contextmanager
def serving(box: Postbox, **more: Any) -> Iterator[Postbox]:
    """Run a server for the time being."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        box.port = free.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=box.port, **more)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()
