"""Persons and what they may do here. Whose signature counts says the policy of a product, never this table."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from patchline.releaser.tables.base import Base


class Role(StrEnum):
    """What a person may do in the register."""

    ENGINEER = "engineer"
    RELEASE_MANAGER = "release-manager"
    SUPPORT = "support"
    AUDITOR = "auditor"


class Person(Base):
    """Somebody who works with the register."""

    __tablename__ = "person"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    added: Mapped[datetime]
    disabled: Mapped[datetime | None]
    version: Mapped[int] = mapped_column()
    roles: Mapped[list["PersonRole"]] = relationship(cascade="all, delete-orphan", lazy="selectin")

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 (as the mapper reads it)


class PersonRole(Base):
    """One role of a person."""

    __tablename__ = "person_role"
    __table_args__ = (CheckConstraint("role IN ('engineer', 'release-manager', 'support', 'auditor')", name="known"),)

    person: Mapped[str] = mapped_column(ForeignKey("person.id"), primary_key=True)
    role: Mapped[str] = mapped_column(String(32), primary_key=True)
