"""Keys that lie in browsers, by their public halves. Whether one counts says the policy of a product, never this table."""

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from patchline.releaser.tables.base import Base


class BrowserKey(Base):
    """The key of a person in one browser.

    Attributes:
        keyid: SHA-256 of the public key.
        device: how the person calls the browser, such as `laptop`.
        public: PEM.
        enrolment: the envelope in which the key itself says whose it is; the truth of this row.
        used: when something was last signed with it here.
        retired: when the person said that it signs no more.
    """

    __tablename__ = "browser_key"

    keyid: Mapped[str] = mapped_column(String(64), primary_key=True)
    person: Mapped[str] = mapped_column(ForeignKey("person.id"), index=True)
    device: Mapped[str] = mapped_column(String(80))
    public: Mapped[str] = mapped_column(Text)
    enrolment: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    added: Mapped[datetime]
    used: Mapped[datetime | None]
    retired: Mapped[datetime | None]
