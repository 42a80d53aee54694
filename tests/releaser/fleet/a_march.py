"""A site's spring, as tests tell it: two hotfixes, reports by hand and online, a rollback, an event, all with real keys."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import update

from patchline.patches.baselines import baseline_list
from patchline.patches.errors import ManifestError
from patchline.patches.fields import Fields
from patchline.patches.manifest import Manifest, read_state
from patchline.releaser.fleet import declared, entitlements, reports
from patchline.releaser.fleet.levels import Level, When, levels
from patchline.releaser.fleet.sites import the_site
from patchline.releaser.hotfixes import find
from patchline.releaser.register import Register
from patchline.releaser.states import Action, State
from patchline.releaser.table_copy import unguarded
from patchline.releaser.tables.catalogue import Baseline
from patchline.releaser.tables.hotfixes import Hotfix, Revision, RevisionFix, Step
from tests.fleets import Fleet, signed_report
from tests.hotfixes import FILES, changed, fix
from tests.samples import file_state, manifest_document

FIRST = datetime(2026, 3, 1, 9, tzinfo=UTC)


def day(number: int, hour: int = 12) -> datetime:
    """Return a moment of that March."""
    return FIRST.replace(day=number, hour=hour)


END = day(31)


@dataclass
class March:
    """The register, and what happens in it."""

    fleet: Fleet
    one: str = ""
    two: str = ""

    @property
    def register(self) -> Register:
        return self.fleet.register

    def hotfix(self, number: int, files: list, *fixes: str, baseline: str = "1.0", revision: int = 1, **more) -> str:
        """Write a published revision as a life would leave it, without a life's signatures; return its label."""
        name, now = f"HF-2026-{number:04}", FIRST - timedelta(days=10)
        document = manifest_document(files, hotfix=name, revision=revision, fixes=[fix(one) for one in fixes], **more)
        document["target"] = {**document["target"], "baselines": [baseline]}
        manifest = Manifest.from_document(document)
        by = {"added": now, "added_by": "rita"}
        same = {"kind": manifest.kind, "severity": "moderate", "title": manifest.title, "fixes": [*fixes]}
        with self.register.database.write() as session:
            if session.get(Hotfix, name) is None:
                session.add(Hotfix(id=name, product="demo", baseline=baseline, customers=None, **same, **by))
                session.flush()
            with unguarded(session.connection(), [Revision.__table__, RevisionFix.__table__, Step.__table__]):
                facts = {"manifest_sha256": manifest.digest, "manifest": manifest.data, "published": now}
                row = Revision(hotfix=name, number=revision, state=State.PUBLISHED, **facts, **by)
                session.add(row)
                session.flush()
                session.add_all(RevisionFix(revision=row.id, fix=one, coverage="full") for one in fixes)
                self._step(session, row.id, 1, Action.PUBLISH, State.PUBLISHED, now)
        return f"{name}-r{revision}"

    def _step(self, session, revision: int, number: int, action: Action, state: State, when: datetime) -> None:
        session.add(Step(revision=revision, number=number, action=action, state=state, at=when, person="rita"))
        session.flush()

    def recall(self, label: str, when: datetime) -> None:
        with self.register.database.write() as session:
            row = find(session, label)
            with unguarded(session.connection(), [Revision.__table__, Step.__table__]):
                row.state = State.RECALLED
                self._step(session, row.id, 2, Action.RECALL, State.RECALLED, when)

    def report(
        self, when: datetime, *labels: str, late: timedelta = timedelta(), site: str = "acme-main", **more
    ) -> None:
        """Let a site report these as applied an hour before, and bring the report by hand some time after."""
        self.fleet.now = when
        at = more.pop("at", when - timedelta(hours=1))
        layers = more.pop("layers") if "layers" in more else self.fleet.layers(*labels, at=at)
        document = self.fleet.document(site, more.pop("baseline", "1.0"), layers, **more)
        reports.receive(self.register, signed_report(document, site), reports.HAND, "rita", when + late)

    def declare(self, when: datetime, kind: str, text: str, **more) -> None:
        with self.register.change("rita", when) as change:
            declared.add(change, declared.NewEvent("acme-main", kind, when, "Europe/Berlin", text, **more))

    def entitle(self) -> None:
        with self.register.change("rita", FIRST) as change:
            entitlements.add(change, entitlements.NewEntitlement("acme", "demo"))

    def level(self, *, now: datetime = END, site: str = "acme-main", **when) -> Level:
        with self.register.read() as session:
            return levels(session, [the_site(session, site)], When(now, **when))[0]


def pin(register: Register, label: str, **values) -> None:
    """Write what a test needs into a baseline, which otherwise stands as it was added."""
    with register.database.write() as session, unguarded(session.connection(), [Baseline.__table__]):
        session.execute(update(Baseline).where(Baseline.label == label).values(**values))


def listed_files() -> bytes:
    states = {path: read_state(Fields(file_state(data), "file", ManifestError)) for path, data in FILES.items()}
    return baseline_list("demo", "1.0", {"app": states})


def a_march(register: Register) -> March:
    """Make a register with two published hotfixes and a site that is enrolled."""
    fleet = Fleet(register, FIRST - timedelta(days=20)).product("demo", "1.0", "2.0")
    pin(register, "1.0", files=listed_files())
    fleet.customer("acme", alias="K-7")
    fleet.site(alias="S-7", title="Acme, hall 3", window="Sat 22:00-04:00 Europe/Berlin")
    fleet.enrolled()
    march = March(fleet)
    march.one = march.hotfix(1, [changed("a.txt", b"old\n", b"a1\n")], "BUG-1")
    march.two = march.hotfix(2, [changed("b.txt", b"b0\n", b"b1\n", fixes=["BUG-2"])], "BUG-2")
    return march
