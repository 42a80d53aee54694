"""Who has, lacks, fetched or is exposed: each trap by its sentence, and a random fleet against a plain reading of the rules."""

import csv
import io
import random
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from patchline.patches.errors import NotFoundError, UsageError
from patchline.releaser.fleet import adoption, downloads, exposure, questions
from patchline.releaser.fleet.exposure import Stand
from patchline.releaser.fleet.questions import counts, listed, totals
from patchline.releaser.fleet.subjects import Answer, of_cve, of_fix, of_hotfix, of_recalled
from patchline.releaser.register import Register, opened
from patchline.releaser.table_copy import unguarded
from patchline.releaser.tables.catalogue import Affected, Baseline, Container, Issue, Product
from patchline.releaser.tables.customers import Customer, Entitlement, Ring, Site
from patchline.releaser.tables.fleet import Applied, Download, SiteState
from patchline.releaser.tables.hotfixes import Campaign, CampaignBaseline, Hotfix, Revision, RevisionCve, RevisionFix
from patchline.releaser.tables.rollouts import Staged
from tests.conftest import EXHAUSTIVE
from tests.programs import run
from tests.registers import BACKENDS, NOW, make_home, statements

CVE = "CVE-2026-1000"
BY = {"added": NOW, "added_by": "rita"}


@dataclass
class WrittenFleet:
    """A register's fleet, written row by row."""

    register: Register
    rows: list[object] = field(default_factory=list)
    revisions: dict[str, int] = field(default_factory=dict)
    sites: dict[str, int] = field(default_factory=dict)

    def product(self, name, *baselines):
        self.rows += [Product(id=name, name=name, added=NOW), Ring(product=name, name="early", ordinal=1)]
        for label in baselines:
            number = sum(isinstance(row, Container) for row in self.rows) + 1
            same = {"kind": "git", "commit_id": "a" * 40, "files": b"", "files_sha256": "0" * 64, **BY}
            self.rows += [
                Container(id=number, sha256=f"{number:064x}", entries=0),
                Baseline(product=name, label=label, container=number, **same),
            ]

    def hotfix(self, name, product, baseline, *fixes, state="published", customers=None, **more):
        """Add one with its first revision; fixes are ids or triples of id, coverage and CVE."""
        same = {"kind": "one-off", "severity": "moderate", "title": name, "fixes": [], "legacy": False}
        self.rows.append(Hotfix(id=name, product=product, baseline=baseline, customers=customers, **same, **more, **BY))
        self.revision(name, 1, *fixes, state=state)

    def revision(self, name, number, *fixes, state="published"):
        own = self.revisions[f"{name}-r{number}"] = len(self.revisions) + 1
        self.rows.append(
            Revision(
                id=own, hotfix=name, number=number, state=state, manifest_sha256=f"{own:064x}", published=NOW, **BY
            )
        )
        for fix in fixes:
            id_, coverage, cve = fix if isinstance(fix, tuple) else (fix, "full", None)
            self.rows.append(RevisionFix(revision=own, fix=id_, coverage=coverage))
            self.rows += [RevisionCve(revision=own, fix=id_, cve=cve)] if cve else []

    def issue(self, name, product, cve=(), workaround=None, **statuses):
        same = {"title": name, "severity": "critical", "cve": list(cve), "workaround": workaround}
        self.rows.append(Issue(id=name, product=product, **same, **BY))
        for label, status in statuses.items():
            where = {"product": product, "baseline": label.removeprefix("v").replace("_", ".")}
            self.rows.append(Affected(issue=name, status=status, reason="looked at", **where))

    def customer(self, name, tier="gold", *entitled):
        self.rows.append(Customer(id=name, title=name.title(), alias=f"a-{name}", tier=tier, **BY))
        for product in entitled:
            self.rows.append(Entitlement(customer=name, product=product, line="*", since=NOW, **BY))

    def site(self, name, customer, product, baseline, *applied, evidence="signed-online", **more):
        own = self.sites[name] = len(self.sites) + 1
        pending = more.pop("pending", ())
        state = {"unfinished": False, "drift": 0, "unknown": more.pop("unknown", 0), "label": baseline}
        state |= {"contested": more.pop("contested", False), "evidence": evidence}
        same = {"title": name, "alias": f"a-{name}", "environment": "production", "connectivity": "online"}
        self.rows += [
            Site(id=own, name=name, customer=customer, product=product, **same, **BY, **more),
            SiteState(site=own, customer=customer, product=product, baseline=baseline, as_of=NOW, **state),
        ]
        for label in applied:
            self.rows.append(Applied(site=own, revision=self.revisions[label], at=NOW, pending=label in pending))

    def download(self, site, label, customer, outcome="done"):
        own = self.sites[site] if site else None
        what = {"revision": self.revisions[label], "at": NOW, "how": "online", "outcome": outcome}
        self.rows.append(Download(customer=customer, site=own, **what))

    def write(self):
        with self.register.database.write() as session:
            tables = [table.__table__ for table in (Revision, RevisionFix, RevisionCve)]
            with unguarded(session.connection(), tables):
                for kind in _ORDER:
                    session.add_all([row for row in self.rows if isinstance(row, kind)])
                    session.flush()
        return self

    def names(self, subject, answer):
        with self.register.read() as session:
            return [row.name for row in listed(session, subject, answer).rows]

    def answers(self, asked):
        """Return the names of the sites by answer."""
        with self.register.read() as session:
            subject = asked(session)
        return {answer: set(self.names(subject, answer)) for answer in Answer}


_ORDER = (Product, Ring, Container, Baseline, Issue, Affected, Campaign, Hotfix, Revision, RevisionFix, RevisionCve,
          CampaignBaseline, Customer, Entitlement, Staged, Site, SiteState, Applied, Download)  # fmt: skip


@pytest.fixture(scope="module", params=BACKENDS)
def fleet(request, tmp_path_factory):
    with opened(make_home(request.param, tmp_path_factory.mktemp("fleet") / "home")) as register:
        yield world(WrittenFleet(register)).write()


def world(fleet):
    """One CVE in two products, met in every way that there is."""
    fleet.product("shop", "1.0", "2.0", "3.0", "4.0", "5.0", "6.0")
    fleet.product("till", "7")
    fleet.product("desk", "1")
    bug = ("BUG-1", "full", CVE)
    fleet.rows.append(
        Campaign(id="C-1", product="shop", title="x", commits=[], severity="critical", **BY,
                 fixes=[{"id": "BUG-1", "coverage": "full", "cve": [CVE]}])
    )  # fmt: skip
    fleet.hotfix("HF-1", "shop", "1.0", bug, campaign="C-1")
    fleet.revision("HF-1", 2, bug, state="recalled")
    fleet.hotfix("HF-2", "shop", "2.0", bug, campaign="C-1", customers=["acme"])
    fleet.hotfix("HF-3", "shop", "1.0", bug, "BUG-2")  # cumulative: includes HF-1
    fleet.hotfix("HF-4", "shop", "1.0", ("BUG-1", "partial", CVE))
    fleet.hotfix("HF-5", "shop", "1.0", ("BUG-9", "workaround", CVE))
    fleet.hotfix("HF-6", "shop", "1.0", "OTHER")
    fleet.hotfix("HF-7", "till", "7", ("TILL-1", "full", CVE), state="held")
    row = {"campaign": "C-1", "product": "shop", "contained": ["a" * 40], "conflicts": []}
    fleet.rows.append(CampaignBaseline(baseline="3.0", **row))
    row |= {"contained": [], "head": "b" * 40}
    fleet.rows += [CampaignBaseline(baseline=f"{at}.0", hotfix=f"HF-{at}", **row) for at in (1, 2)]
    fleet.hotfix("HF-9", "desk", "1", "DESK-1")
    fleet.rows.append(Staged(product="desk", since=NOW - timedelta(days=1)))
    fleet.hotfix("HF-8", "shop", "1.0", "BUG-2")
    fleet.issue("BUG-1", "shop", [CVE], "Switch it off.", v1_0="affected", v4_0="not-affected", v5_0="affected")
    fleet.customer("acme", "gold", "shop")
    fleet.customer("bolt", "silver", "shop", "till", "desk")
    fleet.customer("core", "bronze")
    fleet.site("plain", "acme", "shop", "1.0")
    fleet.site("other", "acme", "shop", "1.0", "HF-6-r1")
    fleet.site("fixed", "acme", "shop", "1.0", "HF-1-r1", ring="early")
    fleet.site("still-recalled", "acme", "shop", "1.0", "HF-1-r2")
    fleet.site("included", "bolt", "shop", "1.0", "HF-3-r1")
    fleet.site("twice", "bolt", "shop", "1.0", "HF-1-r1", "HF-3-r1")
    fleet.site("restart", "bolt", "shop", "1.0", "HF-1-r1", pending=["HF-1-r1"])
    fleet.site("partial", "bolt", "shop", "1.0", "HF-4-r1")
    fleet.site("around", "bolt", "shop", "1.0", "HF-5-r1", contested=True, unknown=2)
    fleet.site("fetched", "bolt", "shop", "1.0")
    fleet.site("unentitled", "core", "shop", "1.0")
    fleet.site("scoped", "acme", "shop", "2.0")
    fleet.site("not-scoped", "bolt", "shop", "2.0")
    fleet.site("contains", "bolt", "shop", "3.0")
    fleet.site("unhurt", "bolt", "shop", "4.0")
    fleet.site("no-fix", "acme", "shop", "5.0", evidence="told")
    fleet.site("not-looked", "acme", "shop", "6.0")
    fleet.site("never", "acme", "shop", None, evidence="never-reported")
    fleet.site("planned", "acme", "shop", "1.0", evidence="never-reported")
    fleet.site("baseless", "bolt", "shop", None, "HF-1-r1", evidence="told")
    fleet.site("pieces", "core", "shop", "1.0", "HF-1-r1", "HF-8-r1", pending=["HF-8-r1"])
    fleet.site("gone", "acme", "shop", "1.0", retired=NOW)
    fleet.site("staged", "bolt", "desk", "1")
    fleet.site("held", "bolt", "till", "7")
    fleet.download("fetched", "HF-1-r1", "bolt")
    fleet.download("plain", "HF-1-r1", "acme", "broken-off")
    fleet.download("fixed", "HF-1-r1", "acme")
    fleet.download("gone", "HF-1-r1", "acme")
    fleet.download(None, "HF-3-r1", "bolt")
    return fleet


HAVING = {"fixed", "pieces", "still-recalled", "included", "twice", "restart", "contains", "unhurt"}
LACKING = {"plain", "other", "partial", "around", "fetched", "unentitled", "scoped", "not-scoped", "no-fix", "held"}
UNKNOWN = {"not-looked", "never", "planned", "baseless"}


def test_cve_answers_every_site_that_is_not_retired_once(fleet):
    found = fleet.answers(lambda session: of_cve(session, CVE))
    assert found == {
        Answer.HAS: HAVING,
        Answer.LACKS: LACKING,
        Answer.UNKNOWN: UNKNOWN,
        Answer.NOT_APPLICABLE: set(),
    }


def test_totals_of_a_cve_tell_baselines_and_restarts_apart(fleet):
    with fleet.register.read() as session:
        subject = of_cve(session, CVE)
        whole = totals(subject, counts(session, subject))
    assert (whole.has, whole.lacks, whole.unknown, whole.not_applicable) == (8, 10, 4, 0)
    assert (whole.by_baseline, whole.pending, whole.oldest, whole.newest) == (2, 1, NOW, NOW)


def test_fix_and_product_narrow_the_question(fleet):
    found = fleet.answers(lambda session: of_fix(session, "BUG-2"))
    assert found[Answer.HAS] == {"included", "twice", "pieces"} and "plain" in found[Answer.LACKS]
    assert {"scoped", "never", "no-fix"} <= found[Answer.UNKNOWN]
    till = fleet.answers(lambda session: of_cve(session, CVE, "till"))
    assert {answer: names for answer, names in till.items() if names} == {Answer.LACKS: {"held"}}


def test_who_has_one_that_includes_a_hotfix_has_it_and_other_baselines_are_not_applicable(fleet):
    found = fleet.answers(lambda session: of_hotfix(session, "HF-1"))
    assert found[Answer.HAS] == {"fixed", "pieces", "still-recalled", "included", "twice", "restart"}
    assert found[Answer.LACKS] == {"plain", "other", "partial", "around", "fetched", "unentitled"}
    assert found[Answer.UNKNOWN] == {"never", "planned", "baseless"}
    assert found[Answer.NOT_APPLICABLE] == {"scoped", "not-scoped", "contains", "unhurt", "no-fix", "not-looked"}


def test_hotfixes_that_together_mend_all_of_one_stand_for_it(fleet):
    found = fleet.answers(lambda session: of_hotfix(session, "HF-3"))
    assert found[Answer.HAS] == {"included", "twice", "pieces"}
    with fleet.register.read() as session:
        subject = of_hotfix(session, "HF-3")
        row = next(row for row in listed(session, subject, Answer.HAS).rows if row.name == "pieces")
        assert totals(subject, counts(session, subject)).pending == 1
    assert [(one.label, one.coverage) for one in row.applied] == [("HF-1-r1", "partial"), ("HF-8-r1", "partial")]
    assert row.pending


def test_one_revision_and_a_hotfix_for_some_customers_are_questions_of_their_own(fleet):
    found = fleet.answers(lambda session: of_hotfix(session, "HF-1-r2"))
    assert found[Answer.HAS] == {"still-recalled", "included", "twice"}
    scoped = fleet.answers(lambda session: of_hotfix(session, "HF-2"))
    assert scoped[Answer.LACKS] == {"scoped"} and "not-scoped" in scoped[Answer.NOT_APPLICABLE]


def test_who_runs_a_recalled_one_is_listed_though_it_has_the_fix(fleet):
    found = fleet.answers(lambda session: of_recalled(session))
    assert found[Answer.HAS] == {"still-recalled"}
    assert found[Answer.UNKNOWN] == {"never", "planned", "baseless"}


def test_every_site_is_told_what_it_needs_and_how_we_know(fleet):
    with fleet.register.read() as session:
        found = exposure.exposed(session, of_cve(session, CVE), NOW + timedelta(hours=1))
    stands = {one.row.name: one for customer in found.page for one in customer.sites}
    assert {name: one.stand for name, one in stands.items()} == {
        **dict.fromkeys(("fixed", "pieces", "still-recalled", "included", "twice"), Stand.APPLIED),
        **dict.fromkeys(("contains", "unhurt"), Stand.IN_BASELINE),
        **dict.fromkeys(UNKNOWN, Stand.UNKNOWN),
        **dict.fromkeys(("plain", "other", "scoped"), Stand.AVAILABLE),
        # Where nobody said for which site a customer fetched, it may be any.
        **dict.fromkeys(("partial", "around", "fetched"), Stand.DOWNLOADED),
        "restart": Stand.PENDING,
        "unentitled": Stand.NOT_ENTITLED,
        "not-scoped": Stand.OTHERS,
        "no-fix": Stand.NO_FIX,
        "held": Stand.HELD,
    }
    assert stands["plain"].take == ("HF-1-r1", "HF-3-r1")
    assert stands["partial"].row.applied[0].coverage == "partial"
    assert (stands["around"].row.contested, stands["around"].row.unknown) == (True, 2)
    assert stands["no-fix"].row.evidence == "told" and stands["no-fix"].row.as_of == NOW


def test_a_site_whose_stage_was_not_opened_waits_for_it(fleet):
    with fleet.register.read() as session:
        found = exposure.exposed(session, of_fix(session, "DESK-1"), NOW)
    assert [(one.stand, one.take) for one in found.page[0].sites] == [(Stand.WAITING, ("HF-9-r1",))]


def test_exposed_customers_are_counted_apart_from_those_in_doubt(fleet):
    with fleet.register.read() as session:
        found = exposure.exposed(session, of_cve(session, CVE), NOW)
        first = exposure.exposed(session, of_cve(session, CVE), NOW, limit=2)
        rest = exposure.exposed(session, of_cve(session, CVE), NOW, limit=2, after=first.after)
    # A pending restart leaves a site exposed.
    assert {one.customer: (one.exposed, one.unknown) for one in found.page} == {
        "acme": (4, 3),
        "bolt": (6, 1),
        "core": (1, 0),
    }
    assert (found.customers, found.sites, found.in_doubt) == (3, 11, 0)
    assert [*first.page, *rest.page] == list(found.page) and rest.after is None


def test_downloads_are_listed_by_customer_and_never_count_as_applied(fleet):
    with fleet.register.read() as session:
        subject = of_cve(session, CVE)
        whole = downloads.downloaded(session, subject)
        pages, after = [], None
        while True:
            page = downloads.downloaded(session, subject, limit=1, after=after)
            pages += page.rows
            after = page.after
            if after is None:
                break
        with pytest.raises(UsageError):
            downloads.downloaded(session, subject, after="acme")
    told = [(row.customer, row.site, row.label, row.applied) for row in whole.rows]
    assert told == [
        ("acme", "fixed", "HF-1-r1", True),
        ("bolt", None, "HF-3-r1", None),
        ("bolt", "fetched", "HF-1-r1", False),
    ]
    assert pages == list(whole.rows)


def test_pages_hold_every_site_once(fleet):
    with fleet.register.read() as session:
        subject = of_cve(session, CVE)
        for answer in (Answer.HAS, Answer.LACKS, Answer.UNKNOWN):
            found, after = [], None
            while True:
                page = listed(session, subject, answer, limit=3, after=after)
                found += page.rows
                after = page.after
                if after is None:
                    break
            assert found == list(listed(session, subject, answer, limit=None).rows)


def test_what_the_register_knows_nothing_of_is_refused(fleet):
    with fleet.register.read() as session:
        for asked in (
            lambda: of_cve(session, "CVE-1999-0001"),
            lambda: of_fix(session, "BUG-1", "garden"),
            lambda: of_hotfix(session, "HF-99"),
            lambda: listed(session, of_hotfix(session, "HF-1"), Answer.HAS, after="nowhere"),
        ):
            with pytest.raises(NotFoundError):
                asked()
        with pytest.raises(UsageError):
            listed(session, of_hotfix(session, "HF-1"), Answer.HAS, limit=0)


def test_adoption_is_told_by_tier_and_ring(fleet):
    with fleet.register.read() as session:
        found = adoption.adoption(session, "HF-1")
        lacking = adoption.lacking_at(session, session.get_one(Campaign, "C-1"), ["1.0", "2.0"])
    assert (found.totals.has, found.applicable, found.downloaded) == (6, 12, 1)
    assert found.by_tier() == {"gold": (2, 4), "silver": (3, 6), "bronze": (1, 2)}
    assert found.by_ring() == {"early": (1, 1), "": (5, 11)}
    assert lacking == {"1.0": 6, "2.0": 2}
    assert found.in_words.startswith(
        f"6 of 12 sites, as of {NOW:%Y-%m-%d} to {NOW:%Y-%m-%d}; bronze 1 of 2; gold 2 of 4"
    )


def test_questions_take_the_same_number_of_statements_whatever_the_fleet(fleet):
    asked = {
        "lacks": (lambda session: listed(session, of_cve(session, CVE), Answer.LACKS), 10),
        "exposed": (lambda session: exposure.exposed(session, of_cve(session, CVE), NOW), 16),
        "adoption": (lambda session: adoption.adoption(session, "HF-1"), 11),
    }
    for name, (ask, most) in asked.items():
        with fleet.register.read() as session, statements(fleet.register) as said:
            ask(session)
        assert 3 < len(said) <= most, (name, len(said))


# As people type it


def who(fleet, *arguments, **more):
    return run("patchline", *arguments, environment={"PATCHLINE_HOME": str(fleet.register.home)}, **more)


def test_who_lacks_it_is_told_with_what_to_take_and_how_we_know(fleet):
    told = who(fleet, "who", "lacks", "--cve", CVE, "--limit", "9").out
    assert told.startswith(f"{CVE}: 10 lack it, 8 have it (2 by their baseline, 1 pending a restart, as of 2026-11-22")
    assert "workaround for shop: Switch it off." in told and "more: --after" in told
    assert "acme  plain  shop 1.0  available: HF-1-r1 or HF-3-r1  (as of 2026-11-22, signed report online (" in told
    assert "downloaded: HF-1-r1 or HF-3-r1, has HF-4-r1 (partial)" in told
    assert "contested: a restored or cloned site reports beside it; 2 unknown hotfixes" in told
    document = who(fleet, "who", "has", "--cve", CVE, "--json").document
    assert {site["site"] for site in document["sites"]} == HAVING
    assert document["totals"]["sites"] == 22 and document["not_counting"] == ["HF-4-r1", "HF-5-r1"]


def test_who_is_exposed_is_told_by_customer_and_as_a_spreadsheet(fleet):
    told = who(fleet, "who", "exposed", "--cve", CVE).out
    assert told.startswith(f"{CVE}: 3 customers exposed at 11 sites\n")
    assert "acme  gold  2 applied, 3 available, 1 no fix yet, 3 unknown" in told
    assert "unknown: nobody has looked at this baseline" in told
    rows = list(csv.DictReader(io.StringIO(who(fleet, "who", "exposed", "--cve", CVE, "--csv").out)))
    assert len(rows) == 22 and {row["stand"] for row in rows if row["customer"] == "core"} == {
        "not entitled",
        "applied",
    }
    document = who(fleet, "who", "exposed", "--cve", CVE, "--json", "--limit", "1").document
    assert (document["after"], document["customers"][0]["needs"]["available"]) == ("acme", 3)


def test_who_fetched_it_and_who_runs_a_recalled_one_is_told(fleet):
    told = who(fleet, "who", "downloaded", "--hotfix", "HF-1").out
    assert "bolt  fetched  HF-1-r1  fetched 2026-11-22, not applied, as far as is known" in told
    assert "HF-3-r1" in who(fleet, "who", "downloaded", "--fix", "BUG-2", "--csv").out
    told = who(fleet, "who", "recalled").out
    assert told.startswith("recalled hotfixes: 1 site runs it still, 3 unknown\nacme  still-recalled")


def test_questions_that_make_no_sense_are_refused(fleet):
    for wrong in (["--hotfix", "HF-1", "--cve", CVE], [], ["--hotfix", "HF-1", "--product", "till"]):
        assert "usage.options" in who(fleet, "who", "lacks", *wrong, "--json", expect=2).out
    who(fleet, "who", "lacks", "--cve", CVE, "--csv", "--json", expect=2)
    assert "hint: `patchline issue list`" in who(fleet, "who", "lacks", "--cve", "CVE-1999-0001", expect=11).err


def test_a_hotfix_shows_at_how_many_sites_it_is_and_a_campaign_how_many_it_leaves_exposed(fleet):
    told = who(fleet, "hotfix", "show", "HF-1-r1").out
    assert "at          3 of" not in told and "at          " in told and "as of 2026-11-22" in told
    assert "2 sites exposed" in who(fleet, "campaign", "show", "C-1").out
    document = who(fleet, "campaign", "show", "C-1", "--json").document
    assert {row["baseline"]: row["sites_exposed"] for row in document["baselines"]} == {
        "1.0": 6,
        "2.0": 2,
        "3.0": None,
    }


# A random fleet


def random_fleet(register, seed):
    source, fleet = random.Random(seed), WrittenFleet(register)
    fleet.product("shop", "1", "2", "3")
    fleet.product("till", "1", "2")
    places = [("shop", "1"), ("shop", "2"), ("shop", "3"), ("till", "1"), ("till", "2")]
    for number in range(12):
        product, baseline = source.choice(places)
        coverages = ("full", "full", "partial", "workaround")
        fixes = {f"BUG-{source.randrange(3)}": source.choice(coverages) for _ in range(source.randrange(3))}
        given = [(id_, coverage, source.choice((CVE, None))) for id_, coverage in fixes.items()]
        state = source.choice(("published", "published", "recalled", "held"))
        scope = source.choice((None, None, ["acme"], ["acme", "bolt"]))
        fleet.hotfix(f"HF-{number}", product, baseline, *given, state=state, customers=scope)
    status = ("affected", "not-affected", "investigating", "no-fix-planned")
    for number in range(3):
        marks = {f"v{label}": source.choice(status) for label in ("1", "2", "3") if source.random() < 0.5}
        fleet.issue(f"BUG-{number}", "shop", [CVE] if number == 0 else [], **marks)
    for name in ("acme", "bolt", "core"):
        fleet.customer(name, "gold", *source.sample(("shop", "till"), source.randrange(3)))
    for number in range(60):
        product, baseline = source.choice(places)
        grade = source.choice(("signed-online", "told", "never-reported"))
        fitting = [label for label in fleet.revisions if source.random() < 0.15]
        more = {"retired": NOW} if source.random() < 0.1 else {}
        where = (source.choice(("acme", "bolt", "core")), product, source.choice((baseline, baseline, None, "9")))
        pending = [label for label in fitting if source.random() < 0.3]
        fleet.site(f"s-{number}", *where, *fitting, evidence=grade, pending=pending, **more)
    return fleet.write()


@pytest.mark.parametrize("seed", range(20 if EXHAUSTIVE else 2))
def test_has_lacks_unknown_and_not_applicable_are_all_sites_of_the_products(register, seed):
    fleet = random_fleet(register, seed)
    asked = [lambda session: of_cve(session, CVE), lambda session: of_recalled(session)]
    asked += [lambda session, n=n: of_fix(session, f"BUG-{n}") for n in range(3)]
    asked += [lambda session, n=n: of_hotfix(session, f"HF-{n}") for n in range(12)]
    for ask in asked:
        with register.read() as session:
            subject = ask(session)
            check(session, fleet, subject)


def check(session: Session, fleet, subject):
    applied = {(row.site, row.revision) for row in fleet.rows if isinstance(row, Applied)}
    used = {(row.site, row.revision) for row in fleet.rows if isinstance(row, Applied) and not row.pending}
    retired = {row.id for row in fleet.rows if isinstance(row, Site) and row.retired}
    there = [row for row in fleet.rows if isinstance(row, SiteState) and row.site not in retired]
    there = [row for row in there if row.product in subject.products]
    wanted = {answer: set() for answer in Answer}
    exposed = set()
    for row in there:
        counting = subject.is_met([revision for site, revision in applied if site == row.site])
        answer, _ = questions.judged(subject, row.customer, row.product, row.baseline, row.evidence, counting)
        wanted[answer].add(row.site)
        running = subject.is_met([revision for site, revision in used if site == row.site])
        needing, _ = questions.judged(subject, row.customer, row.product, row.baseline, row.evidence, applied=False)
        exposed |= {row.site} if needing is Answer.LACKS and not running else set()
    found = {answer: {row.site for row in listed(session, subject, answer, limit=None).rows} for answer in Answer}
    assert found == wanted
    whole = totals(subject, counts(session, subject))
    numbers = (whole.has, whole.lacks, whole.unknown, whole.not_applicable)
    assert numbers == tuple(len(wanted[answer]) for answer in Answer)
    assert whole.sites == len(there)
    for row in (row for answer in Answer for row in listed(session, subject, answer, limit=None).rows):
        assert row.answer == next(answer for answer in Answer if row.site in wanted[answer])
    asked = exposure.exposed(session, subject, NOW)
    assert asked.sites == len(exposed)
    assert sum(one.unknown for one in asked.page) == len(wanted[Answer.UNKNOWN])
