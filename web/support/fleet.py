"""The fleet: how old our evidence is, at which levels sites are, and how far hotfixes have come."""

from flask import Blueprint, Response

from patchline.releaser.catalogue import the_product
from patchline.releaser.fleet import overall
from patchline.releaser.fleet.adoption import Adoption, adoption
from patchline.releaser.fleet.overall import BOUNDS, BUCKETS, Ages, BaselineCount
from patchline.releaser.fleet.subjects import of_hotfix
from patchline.web import access, asking, lists, plots
from patchline.web.lists import Table
from patchline.web.plots import Bar, Heading, Plot, Stack

pages = Blueprint("fleet", __name__, url_prefix="/support/fleet")
_AGE_TONES = dict(zip(BUCKETS, ("good", "busy", "warn", "bad", "off"), strict=True))


@pages.get("/")
@access.people
def page() -> Response:
    """Show the ages of our evidence, of all products."""
    session, now = asking.reading(), asking.now()
    found, apart = overall.ages(session, now), overall.air_gapped(session, now)
    document = {**overall.ages_document(found), "air_gapped": apart}
    rows, whole = document["products"], sum(found.values(), overall.NOTHING)
    return lists.answer(
        "support/fleet.html",
        document,
        Table("fleet", list(rows[0]) if rows else (), [row.values() for row in rows]),
        ages=whole,
        apart=apart,
        rows=rows,
        bounds=BOUNDS,
        figures=[_ages(whole), _grades(whole)],
        heard_apart=sum(apart[name] for name in BUCKETS[:3]),
    )


def _ages(found: Ages) -> Plot:
    heading = Heading("ages", "How old our evidence is", "sites", asking.now())
    return plots.bars(heading, [Bar(name, number, _AGE_TONES[name]) for name, number in found.buckets.items()])


def _grades(found: Ages) -> Plot:
    heading = Heading("grades", "How we know", "sites", asking.now())
    return plots.bars(heading, [Bar(grade, number) for grade, number in found.grades.items() if number])


@pages.get("/<product>")
@access.people
def of_product(product: str) -> Response:
    """Show at which levels the sites of a product are, and its newest hotfixes."""
    session = asking.reading()
    the_product(session, product)
    counted = overall.baselines(session, product)
    newest = overall.newest_hotfixes(session, product, {one.baseline: one.sites for one in counted})
    common = overall.commonest_levels(session, product)
    document = {
        "product": product,
        "baselines": [vars(one) for one in counted],
        "levels": [{"level": label, "sites": number} for label, number in common],
        "hotfixes": [{**vars(one), "percent": one.percent} for one in newest],
    }
    rows = [(one.label, one.title, one.severity, one.published, one.has, one.sites, one.percent) for one in newest]
    columns = ("hotfix", "title", "severity", "published", "has", "sites", "percent")
    return lists.answer(
        "support/product.html",
        document,
        Table(f"hotfixes-of-{product}", columns, rows),
        product=product,
        counted_baselines=counted,
        newest=newest,
        figures=[_baselines(counted), _levels(common)],
        near=sum(one.near for one in counted),
        sites=sum(one.sites for one in counted),
    )


def _baselines(counted: list[BaselineCount]) -> Plot:
    heading = Heading("near", "Sites on one of the last three levels of their baseline", "sites", asking.now())
    stacks = [Stack(one.baseline, {"on the last three": one.near, "behind": one.sites - one.near}) for one in counted]
    return plots.stacked(heading, stacks, {"on the last three": "good", "behind": "warn"})


def _levels(common: list[tuple[str, int]]) -> Plot:
    heading = Heading("levels", "Levels that most sites have", "sites", asking.now())
    return plots.bars(heading, [Bar(label, number) for label, number in common])


@pages.get("/adoption/<hotfix>")
@access.people
def come(hotfix: str) -> Response:
    """Show how far a hotfix has come, from day to day, by tier and ring."""
    session, now = asking.reading(), asking.now()
    found = adoption(session, hotfix)
    days = overall.adoption_by_day(session, of_hotfix(session, hotfix))
    heading = Heading("adoption", f"Sites that have {hotfix}, by the day on which they applied it", "sites", now)
    document = {
        "hotfix": hotfix,
        **found.as_document(),
        "by_day": [{"day": f"{day:%Y-%m-%d}", "has": number} for day, number in days],
    }
    table = Table(f"adoption-of-{hotfix}", ("day", "has"), [row.values() for row in document["by_day"]])
    curve = plots.over_time(heading, days, whole=found.applicable)
    return lists.answer(
        "support/adoption.html", document, table, hotfix=hotfix, found=found, curve=curve, shares=_shares(found)
    )


def _shares(found: Adoption) -> list[Plot]:
    made = []
    for key, title, shares in (("tier", "By tier", found.by_tier()), ("ring", "By ring", found.by_ring())):
        stacks = [
            Stack(name or "in no ring", {"has it": has, "lacks it": sites - has})
            for name, (has, sites) in shares.items()
        ]
        heading = Heading(f"by-{key}", title, "sites", asking.now())
        made.append(plots.stacked(heading, stacks, {"has it": "good", "lacks it": "warn"}, shares=True))
    return made
