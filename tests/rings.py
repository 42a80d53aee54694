"""A product with sites in rings and one revision that is published: the ground on which rollouts are tested.

What sites have is written into the cache directly, as if reports had said so.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select

from patchline.releaser.hotfixes import find
from patchline.releaser.register import Register
from patchline.releaser.rollouts import rings
from patchline.releaser.rollouts.advancing import advance
from patchline.releaser.rollouts.life import Settings, plan, start, the_rollout
from patchline.releaser.rollouts.reaching import reached, sites_reached
from patchline.releaser.rollouts.targets import Measured, measure
from patchline.releaser.tables.catalogue import Baseline, Container, Product
from patchline.releaser.tables.customers import Customer, Site
from patchline.releaser.tables.fleet import Applied, Download, SiteState
from patchline.releaser.tables.hotfixes import Hotfix, Revision
from patchline.releaser.tables.people import Person, PersonRole, Role
from tests.registers import NOW

HOTFIX = "HF-2026-0001"


@dataclass
class Ground:
    """A product `demo` at baseline 1.0, its sites, and the time."""

    register: Register
    now: datetime = NOW
    sites: dict[str, int] = field(default_factory=dict)

    def later(self, **passed: float) -> "Ground":
        self.now += timedelta(**passed)
        return self

    def change(self, by: str = "rita"):
        return self.register.change(by, self.now)

    def prepare(self) -> "Ground":
        with self.register.database.write() as session:
            session.add(Product(id="demo", name="Demo", added=self.now))
            session.add(Container(id=1, sha256="ab" * 32, entries=0))
            session.add(Person(id="sue", name="Sue", added=self.now, roles=[PersonRole(role=Role.SUPPORT)]))
            session.flush()
            session.add(
                Baseline(
                    product="demo",
                    label="1.0",
                    kind="artefacts",
                    source="the farm",
                    files=b"{}",
                    files_sha256="cd" * 32,
                    container=1,
                    added=self.now,
                    added_by="rita",
                )
            )
        return self

    def hotfix(self, identifier: str = HOTFIX, number: int = 1, **more: Any) -> str:
        """Add a revision that is published; nothing is known of its bytes."""
        with self.register.database.write() as session:
            if number == 1:
                hotfix = {"title": "Mend BUG-1", "fixes": ["BUG-1"], "customers": more.pop("customers", None)}
                session.add(
                    Hotfix(
                        id=identifier,
                        product="demo",
                        baseline="1.0",
                        kind="one-off",
                        severity="moderate",
                        legacy=True,
                        added=self.now,
                        added_by="cleo",
                        **hotfix,
                    )
                )
                session.flush()
            given = {"state": "published", "published": self.now, "legacy": True, **more}
            session.add(Revision(hotfix=identifier, number=number, added=self.now, added_by="cleo", **given))
        return f"{identifier}-r{number}"

    def site(self, name: str, customer: str = "acme", baseline: str | None = "1.0", **more: Any) -> int:
        with self.register.database.write() as session:
            if session.get(Customer, customer) is None:
                session.add(
                    Customer(
                        id=customer,
                        title=f"{customer.title()} Works",
                        alias=f"c-{customer}",
                        tier="gold",
                        added=self.now,
                        added_by="rita",
                    )
                )
                session.flush()
            given = {"environment": "production", "connectivity": "online", **more}
            site = Site(
                name=name,
                customer=customer,
                product="demo",
                title=f"Plant {name}",
                alias=f"s-{name}",
                added=self.now,
                added_by="rita",
                **given,
            )
            session.add(site)
            session.flush()
            told = {"evidence": "told", "as_of": self.now} if baseline else {"evidence": "never-reported"}
            session.add(
                SiteState(
                    site=site.id,
                    customer=customer,
                    product="demo",
                    baseline=baseline,
                    label=baseline,
                    unfinished=False,
                    drift=0,
                    unknown=0,
                    contested=False,
                    **told,
                )
            )
            self.sites[name] = site.id
        return self.sites[name]

    def ring(self, name: str, *sites: str) -> None:
        for site in sites:
            if site not in self.sites:
                self.site(site)
        with self.change() as change:
            rings.add(change, "demo", name)
            rings.put(change, "demo", name, sites)

    # What sites say

    def applies(self, *names: str, label: str = f"{HOTFIX}-r1", pending: bool = False, at: datetime | None = None):
        with self.register.database.write() as session:
            revision = find(session, label).id
            for name in names:
                session.merge(Applied(site=self.sites[name], revision=revision, at=at or self.now, pending=pending))
                self._heard(session, name)

    def loses(self, *names: str) -> None:
        with self.register.database.write() as session:
            for name in names:
                session.execute(delete(Applied).where(Applied.site == self.sites[name]))
                self._heard(session, name)

    def says(self, name: str, **more: Any) -> None:
        with self.register.database.write() as session:
            self._heard(session, name, **more)

    def _heard(self, session: Any, name: str, **more: Any) -> None:
        state = session.get(SiteState, self.sites[name])
        for key, value in {"as_of": self.now, "evidence": "signed-online", **more}.items():
            setattr(state, key, value)

    def downloads(self, name: str, label: str = f"{HOTFIX}-r1", outcome: str = "done") -> None:
        with self.register.database.write() as session:
            site = session.get(Site, self.sites[name])
            revision = find(session, label).id
            session.add(
                Download(
                    customer=site.customer, site=site.id, revision=revision, at=self.now, how="online", outcome=outcome
                )
            )

    # What people do and see

    def rollout(self, *sites: str, label: str = HOTFIX, started: bool = True, **settings: Any) -> Measured | None:
        with self.change() as change:
            plan(change, label, Settings(**settings), sites)
            return start(change, label) if started else None

    def does(self, action: Any, *given: Any, by: str = "rita", label: str = HOTFIX) -> Measured:
        with self.change(by) as change:
            return action(change, label, *given)

    def advance(self) -> list[tuple[str, int, str]]:
        with self.change() as change:
            return [(one.state, one.stage, one.why) for one in advance(change, self.now)]

    def counts(self, label: str = HOTFIX) -> dict[str, int]:
        measured = self.measured(label)
        return {f"{one.stage} {one.stand}": measured.sites(one.stage, [one.stand]) for one in measured.counts}

    def measured(self, label: str = HOTFIX) -> Measured:
        with self.register.read() as session:
            found = the_rollout(session, label)
            return measure(session, found.rollout, found.aimed, self.now)

    def reach(self, label: str = f"{HOTFIX}-r1") -> dict[str, str | None]:
        """By each site the reason why it is not reached."""
        with self.register.read() as session:
            revision = find(session, label)
            found = session.scalars(select(Site).order_by(Site.name))
            told = {site.name: reached(session, revision, site, self.now).reason for site in found}
            at_once = session.scalars(sites_reached(session, revision, self.now))
            assert set(at_once) == {self.sites[name] for name, reason in told.items() if reason is None}
            return told

    def reaches(self, label: str = f"{HOTFIX}-r1") -> list[str]:
        return [name for name, reason in self.reach(label).items() if reason is None]
