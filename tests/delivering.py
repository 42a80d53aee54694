"""A vendor who has published a hotfix to one customer and not to another, with tokens that fetch it."""

import atexit
import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from patchline.releaser.access import tokens
from patchline.releaser.access.tokens import NewToken
from patchline.releaser.database import sqlite_url
from patchline.releaser.delivery.parcels import Taker
from patchline.releaser.fleet import entitlements
from patchline.releaser.fleet.entitlements import NewEntitlement
from patchline.releaser.register import Register, opened
from patchline.releaser.settings import write_settings
from patchline.releaser.tables.audit import AuditEvent
from patchline.releaser.tables.fleet import Download
from patchline.releaser.tables.hotfixes import Revision
from patchline.releaser.tables.tokens import SITE_DOWNLOAD
from tests.fleets import Fleet
from tests.hotfixes import Life, changed
from tests.registers import make_home

LARGE = random.Random(7).randbytes(300_000)


@dataclass
class Shop:
    """The vendor of a test: `acme` is entitled, `other` is a customer without any right."""

    life: Life
    label: str

    @property
    def register(self) -> Register:
        return self.life.register

    def grant(self, customer: str = "acme", **given: Any) -> int:
        with self.life.change() as change:
            return entitlements.add(change, NewEntitlement(customer, "demo", **given)).id

    def token(self, site: str = "acme-main", **more: Any) -> str:
        with self.life.change() as change:
            return tokens.make(change, NewToken(SITE_DOWNLOAD, "a test", site=site, **more)).secret

    def header(self, site: str = "acme-main", **more: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(site, **more)}"}

    def taker(self, site: str = "acme-main") -> Taker:
        found = Fleet(self.register).get(site)
        return Taker(found.customer, found.id, found.name, "a test")

    def revision(self) -> Revision:
        hotfix, _, number = self.label.rpartition("-r")
        with self.register.read() as session:
            query = select(Revision).where(Revision.hotfix == hotfix, Revision.number == int(number))
            return session.scalars(query).one()

    def facts(self) -> list[tuple[str | None, str, int | None]]:
        """What was written down about downloads: file, outcome and how far it came."""
        with self.register.read() as session:
            query = select(Download.file, Download.outcome, Download.extent).order_by(Download.id)
            return [tuple(row) for row in session.execute(query)]

    def events(self, action: str) -> int:
        with self.register.read() as session:
            bodies = session.scalars(select(AuditEvent.body)).all()
            return sum(f'"action":"{action}"'.encode() in body for body in bodies)


@cache
def _template() -> tuple[Path, str]:
    """Make a home with an opened shop once for this process; return it and the hotfix's label."""
    folder = Path(tempfile.mkdtemp(prefix="patchline-shop-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with opened(make_home("sqlite", folder / "home")) as register:
        label = opened_shop(register, folder / "files", entitled=False).label
    return folder / "home", label


@contextmanager
def copied_shop(folder: Path, **settings: str) -> Iterator[Shop]:
    """Give a shop of its own on SQLite, nobody being entitled yet; a copy of one that was made before."""
    template, label = _template()
    home = shutil.copytree(template, folder / "shop")
    values = {"database": sqlite_url(home / "register.db"), **settings}
    write_settings(home, values, overwrite=True)
    (folder / "shop-files").mkdir()
    with opened(home) as register:
        yield Shop(Life(register, folder / "shop-files"), label)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """Give a shop whose customer `acme` is entitled."""
    with copied_shop(tmp_path) as made:
        made.grant()
        yield made


def opened_shop(register: Register, folder: Path, *, entitled: bool = True) -> Shop:
    """Publish one hotfix, with some hundred kilobytes in it."""
    folder.mkdir()
    life = Life(register, folder).prepare()
    fleet = Fleet(register)
    for customer in ("acme", "other"):
        fleet.customer(customer)
        fleet.site(f"{customer}-main", customer)
    shop = Shop(life, life.published(files=[changed("b.txt", b"b0\n", LARGE)]) + "-r1")
    if entitled:
        shop.grant()
    return shop
