"""Customers, their sites and what those report, in a test's register: real keys, real reports, written by their own code."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select

from patchline.patches import documents
from patchline.patches.envelopes import sign
from patchline.patches.identifiers import level_code
from patchline.patches.keys import Kind
from patchline.patches.manifest import CLIENT
from patchline.patches.signers import LocalSigner
from patchline.patches.site.inventory import level_of
from patchline.patches.site.ledger import Layer
from patchline.patches.site.report import PAYLOAD_TYPE
from patchline.releaser.catalogue import Product, add_product
from patchline.releaser.fleet import customers, sites
from patchline.releaser.register import Register
from patchline.releaser.tables.catalogue import Baseline, Container
from patchline.releaser.tables.customers import Site, SiteKey
from patchline.releaser.tables.hotfixes import Hotfix, Revision
from tests.registers import NOW

PRODUCT = "demo"
_P256_HALF = 0x7FFFFFFF00000000000000000000000000000000000000000000000000000000


def site_key(name: str) -> LocalSigner:
    """Return a key that follows from a name."""
    secret = int.from_bytes(hashlib.sha256(name.encode()).digest()) % _P256_HALF + 1
    return LocalSigner(Kind.P256, secret.to_bytes(32))


def layer(hotfix: str, revision: int, manifest: str, at: datetime = NOW, preserved: tuple[str, ...] = ()) -> Layer:
    """Return a hotfix as a site has it applied."""
    nothing: tuple[str, ...] = ()
    return Layer(
        "t1",
        1,
        manifest,
        hotfix,
        revision,
        "one-off",
        nothing,
        nothing,
        nothing,
        preserved,
        nothing,
        nothing,
        _text(at),
    )


@dataclass
class Fleet:
    """The sites of a register; Rita adds them."""

    register: Register
    now: datetime = NOW
    by: str = "rita"
    counters: dict[str, int] = field(default_factory=dict)

    def product(self, product: str = PRODUCT, *baselines: str) -> "Fleet":
        """Add a product with baselines of which nothing but the name counts; what is there stays."""
        with self.register.change(self.by, self.now) as change:
            if change.session.get(Product, product) is None:
                add_product(change, product, None, None)
            for label in baselines:
                digest = hashlib.sha256(f"{product} {label}".encode()).hexdigest()
                number = int(digest[:7], 16)
                change.session.add(Container(id=number, sha256=digest, entries=0))
                change.session.flush()
                values: dict[str, Any] = {"product": product, "label": label, "kind": "artefacts", "source": "a test"}
                values |= {"files": b"{}", "files_sha256": digest, "container": number}
                change.session.add(Baseline(**values, added=self.now, added_by=self.by))
        return self

    def customer(self, id_: str = "acme", **given: Any) -> str:
        """Add a customer; return its id."""
        with self.register.change(self.by, self.now) as change:
            return customers.add(change, customers.NewCustomer(id_, given.pop("title", id_.title()), **given)).id

    def site(self, name: str = "acme-main", customer: str = "acme", product: str = PRODUCT, **given: Any) -> str:
        """Add a site; return its name."""
        with self.register.change(self.by, self.now) as change:
            return sites.add(change, sites.NewSite(name, customer, product, **given)).name

    def enrolled(self, name: str = "acme-main", *, key: str | None = None, confirmed: bool = True) -> str:
        """Register a site's key, named as the site unless said otherwise, as an enrolment would."""
        public = site_key(key or name).public
        with self.register.change(self.by, self.now) as change:
            site = sites.the_site(change.session, name)
            site.identity = self.identity(name)
            change.session.add(
                SiteKey(
                    keyid=public.keyid,
                    site=site.id,
                    pem=public.to_pem(),
                    enrolled=self.now,
                    confirmed=self.now if confirmed else None,
                    confirmed_by=self.by if confirmed else None,
                )
            )
        return name

    def identity(self, name: str) -> str:
        """Return the id by which a site reports."""
        return hashlib.sha256(f"site {name}".encode()).hexdigest()[:32]

    def get(self, name: str) -> Site:
        """Return a site's row."""
        with self.register.read() as session:
            return session.scalars(select(Site).where(Site.name == name)).one()

    def layers(self, *labels: str, at: datetime | None = None) -> list[Layer]:
        """Return revisions of the register, such as `HF-2026-0001-r1`, as applied."""
        found = []
        with self.register.read() as session:
            for label in labels:
                hotfix, _, number = label.rpartition("-r")
                chosen = select(Revision).join(Hotfix).where(Hotfix.id == hotfix, Revision.number == int(number))
                revision = session.scalars(chosen).one()
                found.append(layer(hotfix, int(number), revision.manifest_sha256 or "", at or self.now))
        return found

    def document(self, name: str, baseline: str, layers: list[Layer], **changes: Any) -> dict[str, Any]:
        """Return what a site reports next; every call raises its counter unless `counter` is given."""
        product = self.get(name).product
        self.counters[name] = changes.get("counter", self.counters.get(name, 0) + 1)
        level = level_of(product, baseline, layers)
        return {
            "format": 1,
            "audience": "vendor",
            "product": product,
            "site": self.identity(name),
            "epoch": hashlib.sha256(f"epoch {name}".encode()).hexdigest()[:32],
            "counter": self.counters[name],
            "time": self.now.isoformat(timespec="seconds"),
            "client": CLIENT,
            "baseline": baseline,
            "level": {"label": level.label, "digest": level.digest, "code": level_code(level.digest)},
            "hotfixes": [_reported(one) for one in layers],
            "unfinished": False,
            "checked": 10,
            "drift": [],
            "policy": 1,
            "recalls": None,
            "checkpoint": None,
            **changes,
        }

    def report(self, name: str, baseline: str, *labels: str, key: str | None = None, **changes: Any) -> bytes:
        """Return the file of a site's next report, signed by its key (or another one)."""
        layers = changes.pop("layers", None) or self.layers(*labels)
        return signed_report(self.document(name, baseline, layers, **changes), key or name)


def signed_report(document: dict[str, Any], key: str) -> bytes:
    """Return the file of a report."""
    envelope = sign(documents.encode(document), PAYLOAD_TYPE, site_key(key))
    return documents.encode(envelope.as_document()) + b"\n"


def _reported(one: Layer) -> dict[str, Any]:
    return {
        "hotfix": one.hotfix,
        "revision": one.revision,
        "manifest": one.manifest,
        "applied": one.time,
        "preserved": len(one.preserved),
        "kept": len(one.kept),
        "lost": list(one.lost),
        "unratified": False,
        "pending": False,
        "reference": one.reference,
    }


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
