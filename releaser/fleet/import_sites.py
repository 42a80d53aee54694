"""What a table says of sites: themselves, and the levels that were told of them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from patchline.patches.errors import NotFoundError, StateError, UsageError
from patchline.releaser.fleet import sites
from patchline.releaser.fleet.csv_rows import Row, read_day
from patchline.releaser.fleet.import_customers import claim
from patchline.releaser.fleet.import_work import Work
from patchline.releaser.fleet.sites import NewSite
from patchline.releaser.fleet.telling import Wanted
from patchline.releaser.tables.customers import Site

SITE_COLUMNS = {
    "site_title": "title",
    "site_alias": "alias",
    "environment": "environment",
    "connectivity": "connectivity",
    "window": "window",
    "part_of": "part_of",
}
LEVEL_COLUMNS = ("baseline", "hotfixes", "code", "told_at", "told_by")
TOLD_BY = "support"


@dataclass(frozen=True)
class ToldLevel:
    """A level that a row tells."""

    row: Row
    site: str
    wanted: Wanted


@dataclass
class _Known:
    """What sites meet in the register.

    Attributes:
        aliases: names of the sites that have them.
        names: of sites, by their numbers.
        added: sites that are new.
    """

    aliases: dict[str, str]
    names: dict[int, str]
    added: list[Site]


def take_sites(work: Work) -> list[Row]:
    """Add and change sites, nodes after those of which they are part; return the rows of those that are there then."""
    rows, session = _rows(work), work.change.session
    named = [*work.values("site"), *work.values("part_of")]
    work.sites = {one.name: one for one in work.found(Site.name, named, Site)}
    aliases = {one.alias: one.name for one in work.found(Site.alias, work.values("site_alias"), Site)}
    wholes = work.found(Site.id, {one.part_of for one in work.sites.values() if one.part_of is not None}, Site)
    work.sites |= {one.name: one for one in wholes}
    known = _Known(aliases, {one.id: one.name for one in work.sites.values()}, [])
    fine = []
    for nodes in (False, True):
        for row in rows:
            if (row.get("part_of") is not None) == nodes:
                with work.about(row):
                    _take_site(work, row, known)
                    fine.append(row)
        session.flush()
    session.add_all(sites.never_reported(site) for site in known.added)
    session.flush()
    return fine


def _rows(work: Work) -> list[Row]:
    """Return the rows that tell of a site, each site once; those whose customer is refused need no second answer."""
    seen: dict[str, int] = {}
    found = []
    for row in work.rows:
        name = row.get("site")
        with work.about(row):
            if name is None:
                if told := [column for column in (*SITE_COLUMNS, *LEVEL_COLUMNS) if row.get(column)]:
                    raise UsageError("import-file", f"it has {told[0]} and no site")
                continue
            if name in seen:
                raise UsageError("import-file", f"site {name} is in row {seen[name]} too")
            seen[name] = row.number
            if row.cells["customer"] in work.customers:
                found.append(row)
    return found


def _take_site(work: Work, row: Row, known: _Known) -> None:
    name, customer, change = row.cells["site"], row.cells["customer"], work.change
    there = work.sites.get(name)
    cells = {field: row.cells[column] for column, field in SITE_COLUMNS.items() if row.get(column)}
    before = NewSite(name, customer, row.cells.get("product", ""), title=name)
    if there is not None:
        before = _as_told(there, known.names.get(there.part_of) if there.part_of is not None else None)
    wanted = replace(before, **cells)
    _check_whose(work, before, row)
    wanted.check()
    claim(known.aliases, cells.get("alias"), name)
    whole = _whole(work, wanted)
    if there is None:
        work.sites[name] = site = sites.make(change, wanted, whole)
        change.session.add(site)
        known.added.append(site)
        facts = {"customer": site.customer, "product": site.product, "alias": site.alias}
        change.record("site.add", name, facts)
        work.taken.sites_added += 1
    elif wanted != before:
        _set(there, wanted, whole)
        change.record("site.change", name, {"alias": there.alias, "window": there.window})
        work.taken.sites_changed += 1


def _check_whose(work: Work, before: NewSite, row: Row) -> None:
    """Refuse to take a site that is another customer's, or of another product or of none."""
    customer, product = row.cells["customer"], row.get("product")
    if before.customer != customer or (product is not None and product != before.product):
        raise StateError("site-exists", f"{before.name} is a site of {before.customer} and of {before.product}")
    if before.product not in work.products:
        raise NotFoundError("product", f"the register knows no product {before.product!r} of site {before.name}")


def _whole(work: Work, wanted: NewSite) -> int | None:
    """Return the number of the site of which another one is part."""
    if wanted.part_of is None:
        return None
    whole = work.sites.get(wanted.part_of)
    if whole is None:
        raise NotFoundError("site", f"neither the register nor the table knows a site {wanted.part_of!r}")
    sites.check_node(wanted, whole)
    return whole.id


def _as_told(site: Site, part_of: str | None) -> NewSite:
    return NewSite(
        site.name,
        site.customer,
        site.product,
        title=site.title,
        alias=site.alias,
        environment=site.environment,
        connectivity=site.connectivity,
        part_of=part_of,
        window=site.window,
    )


def _set(site: Site, wanted: NewSite, part_of: int | None) -> None:
    site.title, site.alias = wanted.title or site.title, wanted.alias or site.alias
    site.environment, site.connectivity = wanted.environment, wanted.connectivity
    site.window, site.part_of = wanted.window, part_of


def told_levels(work: Work, rows: list[Row], told_at: datetime | None) -> Iterator[ToldLevel]:
    """Yield the levels that rows tell.

    Args:
        work: under way.
        rows: of sites that are there.
        told_at: when it was so for rows that do not say it.
    """
    for row in rows:
        if any(row.get(column) for column in ("baseline", "hotfixes", "code")):
            with work.about(row):
                yield _level(row, told_at)


def _level(row: Row, told_at: datetime | None) -> ToldLevel:
    baseline, at = row.get("baseline"), row.get("told_at")
    if baseline is None:
        raise UsageError("import-file", "it tells hotfixes or a code, and no baseline")
    moment = told_at if at is None else read_day("told_at", at)
    if moment is None:
        raise UsageError("import-file", "it does not say when it was so: column told_at, or --told-at DATE")
    hotfixes = tuple(row.cells.get("hotfixes", "").replace(",", " ").replace("+", " ").split())
    by = row.get("told_by") or TOLD_BY
    wanted = Wanted(by, moment, baseline=baseline, hotfixes=hotfixes, code=row.get("code"))
    return ToldLevel(row, row.cells["site"], wanted)
