"""What online sites were answered when they checked in: a cache, so that most are answered without a calculation."""

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from patchline.releaser.tables.base import Base


class CheckIn(Base):
    """The last answer to a site.

    Attributes:
        heard: when it checked in last; written down every hour at most.
        basis: digest of all that the answer follows from; another one now means that it is out of date.
        made: when the answer was made; embargoes and entitlements end by time, so none is told for long.
        etag: SHA-256 of the answer.
        answer: canonical JSON.
    """

    __tablename__ = "check_in"

    site: Mapped[int] = mapped_column(ForeignKey("site.id"), primary_key=True, autoincrement=False)
    heard: Mapped[datetime]
    basis: Mapped[str] = mapped_column(String(64))
    made: Mapped[datetime]
    etag: Mapped[str] = mapped_column(String(64))
    answer: Mapped[bytes] = mapped_column(LargeBinary)
