import json
from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import select

from bench import fleet_rows
from patchline.patches.errors import NotFoundError
from patchline.releaser.database import Database
from patchline.releaser.fleet.accounts import accounts, site_facts
from patchline.releaser.fleet.hotfix_states import IN_FORCE, HotfixState, judge
from patchline.releaser.fleet.level_words import account_document, customer_text, site_text
from patchline.releaser.fleet.levels import When, levels, named_sites
from patchline.releaser.fleet.questions import counts as counted
from patchline.releaser.fleet.questions import totals
from patchline.releaser.fleet.shelves import shelf
from patchline.releaser.fleet.subjects import of_hotfix
from patchline.releaser.issues import Mark, NewIssue, Status, add_issue
from patchline.releaser.tables.customers import Site
from patchline.releaser.tables.fleet import Download
from tests.fleets import layer
from tests.programs import run
from tests.registers import migrated_database, statements
from tests.releaser.fleet.a_march import FIRST, a_march, day

NOW = day(31)


@pytest.fixture
def march(register):
    return a_march(register)


def labels(level):
    return [one.label for one in level.there]


def account(march, name="acme-main", **when):
    asked = When(when.pop("now", NOW), **when)
    with march.register.read() as session:
        customer, sites, is_site = named_sites(session, name)
        found = accounts(session, levels(session, sites, asked), asked, closely=is_site)
        words = site_text(customer, found[0], asked) if is_site else customer_text(customer, found, asked)
        assert [account_document(one, asked)["site"] for one in found] == [site.name for site in sites]
    return found[0], words


def states(found):
    return {at.revision.label: at.state for at in found.hotfixes}


def test_what_was_true_and_what_we_knew_on_a_date_are_two_answers(march):
    march.report(day(3), march.one, late=timedelta(days=8))
    march.report(day(20), march.one, march.two)
    assert labels(march.level(at=day(5))) == [march.one]
    assert march.level(at=day(5), known_at=day(8)).label is None
    assert march.level(known_at=day(8)).evidence == "never-reported"
    assert labels(march.level(known_at=day(12))) == [march.one]
    now = march.level()
    assert (now.label, now.as_of, now.evidence) == (f"1.0+{march.one}+{march.two}", day(20), "signed-by-hand")
    assert march.level(at=FIRST).baseline is None


def test_later_report_tells_what_was_applied_before(march):
    march.report(day(3), march.one)
    march.report(day(20), march.one, march.two, at=day(4))
    level = march.level(at=day(5))
    assert labels(level) == [march.one, march.two] and level.later == day(20) and level.digest is None
    assert labels(march.level(at=day(5), known_at=day(6))) == [march.one]
    _, words = account(march, at=day(5))
    assert "what a report of 2026-03-20 says of the time before it" in words


def test_hotfix_that_a_later_report_lacks_says_by_when_it_was_gone(march):
    march.report(day(3), march.one)
    march.report(day(20), march.two)
    assert march.level(at=day(5)).there[0].gone_by == day(20)
    found, _ = account(march)
    assert states(found)[march.one] is HotfixState.ROLLED_BACK


def test_event_that_was_declared_since_the_report_stands_beside_the_level(march):
    march.report(day(3), march.one)
    march.declare(day(9), "upgrade", "to 2.0, by their own people", reference="CHG-17")
    assert [one.reference for one in march.level().declared] == ["CHG-17"]
    assert march.level(at=day(8)).declared == () == march.level(at=day(9), known_at=day(8)).declared
    assert "2026-03-09 upgrade declared: to 2.0, by their own people" in account(march)[1]


def test_site_shows_every_hotfix_that_matters_with_its_state(march):
    march.report(day(3), march.one)
    found, words = account(march)
    assert states(found) == {march.one: HotfixState.APPLIED, march.two: HotfixState.APPLICABLE}
    assert [at.judged.why for at in found.hotfixes if at.state is HotfixState.APPLICABLE] == ["not-entitled"]
    march.entitle()
    found, words = account(march)
    assert states(found)[march.two] is HotfixState.AVAILABLE and found.behind == 1
    assert "as of 2026-03-03, signed report carried by hand (4 weeks ago)" in words
    with march.register.database.write() as session:
        revision = next(at.revision.id for at in found.hotfixes if at.revision.label == march.two)
        session.add(Download(customer="acme", site=None, revision=revision, at=day(10), how="hand", outcome="done"))
    assert states(account(march)[0])[march.two] is HotfixState.DOWNLOADED
    assert states(account(march, at=day(9))[0])[march.two] is HotfixState.APPLICABLE


def test_recalled_one_stays_in_the_level_and_stands_first(march):
    march.report(day(3), march.one)
    march.recall(march.one, day(10))
    found, words = account(march)
    assert found.hotfixes[0].state is HotfixState.RECALLED_THERE and march.one in words
    assert states(account(march, at=day(9))[0])[march.one] is HotfixState.APPLIED
    assert "1 recalled and still there" in account(march, "acme")[1]


def test_unknown_hotfix_is_kept_and_pending_restart_is_told(march):
    strange = layer("HF-2019-0007", 2, "7" * 64, day(2))
    document = march.fleet.document("acme-main", "1.0", [strange, *march.fleet.layers(march.one, at=day(2))])
    document["hotfixes"][1]["pending"] = True
    march.report(day(3), layers=[strange], hotfixes=document["hotfixes"])
    found, words = account(march)
    assert states(found)[march.one] is HotfixState.PENDING
    assert "HF-2019-0007-r2" in words and "unknown to the register" in words


def test_affected_without_a_fix_is_told_with_its_workaround(march):
    march.report(day(3), march.one)
    with march.register.change("rita", day(4)) as change:
        wanted = NewIssue("BUG-9", "demo", "Orders vanish", "critical", workaround="restart it daily")
        add_issue(change, wanted, [Mark("1.0", Status.AFFECTED)])
        add_issue(change, NewIssue("BUG-1", "demo", "Old"), [Mark("1.0", Status.AFFECTED)])
    found, words = account(march)
    assert [mark.issue for mark in found.unsolved] == ["BUG-9"]
    assert "Orders vanish (affected); until then: restart it daily" in words


def test_site_that_never_reported_is_unknown_in_everything(march):
    found, words = account(march)
    assert (found.behind, found.relative_age, found.hotfixes) == (None, None, ())
    assert "level     unknown" in words and "never reported" in words


def test_customer_is_asked_in_as_many_statements_as_a_site_whatever_there_is(march):
    march.report(day(3), march.one)
    counts = []
    for number in range(2):
        with statements(march.register) as said:
            account(march, "acme")
        counts.append(len(said))
        for other in range(4):
            march.fleet.site(f"acme-{number}-{other}")
    assert counts[0] == counts[1] <= 16
    with statements(march.register) as said:
        account(march)
    assert len(said) <= 32


def test_name_that_is_neither_site_nor_customer_is_refused(march):
    with march.register.read() as session, pytest.raises(NotFoundError, match="no site or customer 'nobody'"):
        named_sites(session, "nobody")


def test_command_answers_for_sites_and_customers_and_refuses_what_is_no_date(march):
    march.report(day(3), march.one)
    home = ["--home", march.register.home]
    asked = run("patchline", "level", "acme-main", "--at", "2026-03-05", "--json", *home)
    asked = json.loads(asked.out)
    assert asked["at"] == "2026-03-05T23:59:59Z" and asked["sites"][0]["level"] == f"1.0+{march.one}"
    assert "as of 2026-03-03, signed report carried by hand" in run("patchline", "level", "acme", *home).out
    assert "has not come yet" in run("patchline", "level", "acme", "--at", "2999-01-01", *home, expect=2).err
    assert "is no date" in run("patchline", "level", "acme", "--at", "March", *home, expect=2).err


def test_states_of_all_sites_of_a_register_sum_to_its_fleet_and_agree_with_who_has_it(tmp_path):
    database = Database(migrated_database("sqlite", tmp_path))
    fleet_rows.fill(database, fleet_rows.Extent(120, 10, products=2, hotfixes=20, applied=6, silent=10))
    with database.read() as session:
        sites = session.scalars(select(Site).where(Site.product == "product-00", Site.retired.is_(None))).all()
        found = levels(session, sites, When(fleet_rows.NOW))
        in_force = {one.revision for level in found for one in level.there}
        places = {("product-00", label) for label in fleet_rows.BASELINES}
        kept = shelf(session, places, in_force, in_force, None)
        facts = [site_facts(level, kept, (), ()) for level in found]
        for revision in list(kept.facts.values())[::7]:
            counts = Counter(judge(revision, site, None).state for site in facts)
            assert sum(counts.values()) == len(sites)
            subject = of_hotfix(session, revision.hotfix)
            asked = totals(subject, counted(session, subject))
            has = sum(counts[state] for state in (*IN_FORCE, HotfixState.SUPERSEDED))
            assert (has, counts[HotfixState.UNKNOWN]) == (asked.has, asked.unknown) and asked.sites == len(sites)
    database.close()
