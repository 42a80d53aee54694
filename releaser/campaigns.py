"""Campaigns: one fix carried to many baselines, each becoming a hotfix of its own that is linked to the others.

Carrying changes nothing but our own store of git objects; what came of it at each baseline is then written into the
register at once, and the bundles are built one after the other. What a conflict or a failed build stopped goes on when
somebody runs it again, for those baselines alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from patchline.patches.errors import BuildError, NotFoundError, RefusedError, StateError, UsageError
from patchline.patches.progress import progress
from patchline.releaser import bundles, hotfixes, intake
from patchline.releaser.building import GitOrigin, Wanted, build
from patchline.releaser.bundle_files import read_bundle
from patchline.releaser.catalogue import check_pinned, named_baselines, tag_of, the_product
from patchline.releaser.composing import Order
from patchline.releaser.git_merging import Identity
from patchline.releaser.git_workshop import GitWorkshop
from patchline.releaser.home import mirror_folder
from patchline.releaser.people import People
from patchline.releaser.picking import Picked, pick, resolved
from patchline.releaser.recipe import Authored
from patchline.releaser.register import Change, Register
from patchline.releaser.tables.catalogue import Baseline
from patchline.releaser.tables.hotfixes import Campaign, CampaignBaseline, Hotfix, Revision
from patchline.releaser.tables.people import Person
from patchline.releaser.trees import Roots

Clock = Callable[[], datetime]
_LONGEST = 1000


@dataclass(frozen=True)
class Fix:
    """What is carried, where to, and what people say of it.

    Attributes:
        commits: as they were written: commits or ranges, in order.
        baselines: labels, in the order of the table.
        authored: the recipe, with the fixes.
        customers: whom it is for, None for all.
        resolutions: for a baseline the ref by which somebody solved its conflicts.
    """

    product: str
    commits: tuple[str, ...]
    baselines: tuple[str, ...]
    title: str
    severity: str
    authored: Authored
    customers: tuple[str, ...] | None = None
    resolutions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """Where the commits come from, and what is needed to build.

    Attributes:
        repository: where the code lies on this machine; None for that of the product.
        out: folder of the bundles.
        allow: reason by path for findings of the scan.
    """

    out: Path
    repository: Path | None = None
    people: People | None = None
    allow: Mapping[str, str] = field(default_factory=dict)


def committer_of(session: Session, person: str, people: People | None) -> Identity:
    """Return as whom a person commits: under an address that the people file gives them, else under one of no host."""
    found = session.get(Person, person)
    own = (mail for mail, owner in people.owners.items() if owner == person) if people else iter(())
    return Identity(found.name if found else person, next(own, f"{person}@patchline.invalid"))


def carry(register: Register, fix: Fix, source: Source, by: str, clock: Clock) -> str:
    """Carry a fix to baselines, and build a hotfix for each on which it goes.

    Returns:
        The campaign's id; what came of it at each baseline says `show`.

    Raises:
        GitError: a commit is not there, or a tag moved.
        NotFoundError: product or baseline is not registered.
        BuildError: a baseline has no commit.
        RefusedError: who acts may not.
    """
    with register.read() as session:
        repository, baselines = _ground(session, fix, source)
        committer = committer_of(session, by, source.people)
    mirror = _mirror(register, fix.product)
    with GitWorkshop(repository, mirror) as store:
        commits = [oid for written in fix.commits for oid in store.sequence(written)]
        found = _carried(store, baselines, commits, fix, committer)
        with register.change(by, clock()) as change:
            campaign = _begin(change, fix, commits)
            for baseline, picked in found:
                _add_row(change, campaign, fix, baseline, picked)
        _keep(register, store, campaign.id)
    _build_all(register, campaign.id, fix, replace(source, repository=repository), mirror, by, clock)
    return campaign.id


def go_on(
    register: Register,
    identifier: str,
    resolutions: Mapping[str, str],
    authored: Authored,
    source: Source,
    by: str,
    clock: Clock,
) -> str:
    """Go on with the baselines of a campaign that have no bundle yet.

    Args:
        register: open.
        identifier: of the campaign.
        resolutions: for a baseline the ref by which somebody solved its conflicts.
        authored: the recipe with which it began.
        source: where the commits come from.
        by: who acts.
        clock: tells the time.

    Raises:
        NotFoundError: there is no such campaign.
        UsageError: nothing is to be resolved there, or the recipe is another one.
    """
    with register.read() as session:
        campaign = the_campaign(session, identifier)
        waiting = [stand.row.baseline for stand in show(session, identifier) if stand.is_open]
        if unknown := resolutions.keys() - set(waiting):
            raise UsageError("options", f"{identifier} has nothing to resolve for {', '.join(sorted(unknown))}")
        if authored.digest != campaign.recipe:
            raise UsageError("options", f"{identifier} began with another recipe; give the same one with --recipe")
        fix = Fix(
            product=campaign.product,
            commits=tuple(campaign.commits),
            baselines=tuple(waiting),
            title=campaign.title,
            severity=campaign.severity,
            authored=replace(authored, fixes=tuple(campaign.fixes)),
            customers=tuple(campaign.customers) if campaign.customers else None,
            resolutions=resolutions,
        )
        repository, baselines = _ground(session, fix, source)
        committer = committer_of(session, by, source.people)
    mirror = _mirror(register, fix.product)
    with GitWorkshop(repository, mirror) as store:
        found = _carried(store, baselines, fix.commits, fix, committer)
        with register.change(by, clock()) as change:
            campaign = the_campaign(change.session, identifier)
            for baseline, picked in found:
                key = (identifier, baseline.label)
                row = change.session.get_one(CampaignBaseline, key, with_for_update=True)
                _fill(change, campaign, fix, row, picked)
        _keep(register, store, identifier)
    _build_all(register, identifier, fix, replace(source, repository=repository), mirror, by, clock)
    return identifier


def _mirror(register: Register, product: str) -> Path:
    mirror = mirror_folder(product, register.home)
    if mirror is None:
        raise RefusedError("permission", f"{register.home} may not be written, where carried commits are kept")
    return mirror


def _ground(session: Session, fix: Fix, source: Source) -> tuple[Path, Sequence[Baseline]]:
    product = the_product(session, fix.product)
    repository = source.repository or (Path(product.repository) if product.repository else None)
    if repository is None:
        raise UsageError("options", f"product {fix.product} has no repository; give --repo")
    baselines = named_baselines(session, fix.product, list(dict.fromkeys(fix.baselines)))
    for baseline in baselines:
        if baseline.tag is None:
            raise BuildError(
                "no-commit", f"baseline {baseline.label} was registered by its artefacts, without a commit"
            )
    if unknown := fix.resolutions.keys() - {baseline.label for baseline in baselines}:
        raise UsageError("options", f"{', '.join(sorted(unknown))} is resolved and not among the baselines")
    return repository, baselines


Resolved = tuple[Picked, str | None]


def _carried(
    store: GitWorkshop,
    baselines: Sequence[Baseline],
    commits: Sequence[str],
    fix: Fix,
    committer: Identity,
) -> list[tuple[Baseline, Resolved]]:
    found: list[tuple[Baseline, Resolved]] = []
    roots = Roots(fix.authored.roots, fix.authored.platforms)
    with progress("carrying", len(baselines), unit="items") as advance:
        for baseline in baselines:
            base = tag_of(store, f"refs/tags/{baseline.tag}")
            check_pinned(baseline, base)
            written = fix.resolutions.get(baseline.label)
            if written is not None:
                found.append((baseline, (Picked(resolved(store, base, written)), written)))
            else:
                found.append((baseline, (pick(store, base, commits, committer, roots), None)))
            advance(1)
    return found


# The register


def _begin(change: Change, fix: Fix, commits: Sequence[str]) -> Campaign:
    number = hotfixes.next_number(change.session, f"campaign-{change.now.year}")
    campaign = Campaign(
        id=f"C-{change.now.year}-{number:04}",
        product=fix.product,
        title=fix.title,
        commits=list(commits),
        severity=fix.severity,
        fixes=list(fix.authored.fixes),
        customers=list(fix.customers) if fix.customers else None,
        recipe=fix.authored.digest,
        added=change.now,
        added_by=change.by,
    )
    change.session.add(campaign)
    change.session.flush()
    facts = {"product": fix.product, "commits": campaign.commits, "baselines": list(fix.baselines)}
    change.record("campaign.add", campaign.id, facts)
    return campaign


def _add_row(change: Change, campaign: Campaign, fix: Fix, baseline: Baseline, found: Resolved) -> None:
    row = CampaignBaseline(
        campaign=campaign.id, product=fix.product, baseline=baseline.label, contained=[], conflicts=[]
    )
    change.session.add(row)
    _fill(change, campaign, fix, row, found)


def _fill(change: Change, campaign: Campaign, fix: Fix, row: CampaignBaseline, found: Resolved) -> None:
    picked, written = found
    row.contained, row.conflicts = list(picked.contained), list(picked.conflicts)
    row.stopped_at, row.resolved, row.problem = picked.stopped_at, written, None
    row.head = picked.head.commit if picked.head else None
    if picked.head is not None and row.hotfix is None:
        wanted = hotfixes.Wanted(
            product=fix.product,
            baseline=row.baseline,
            title=fix.title,
            severity=fix.severity,
            fixes=tuple(str(one["id"]) for one in fix.authored.fixes),
            customers=fix.customers,
        )
        made = hotfixes.new(change, wanted)
        change.session.get_one(Hotfix, made.hotfix).campaign = campaign.id
        row.hotfix = made.hotfix
    facts = {"baseline": row.baseline, "hotfix": row.hotfix, "head": row.head, "conflicts": row.conflicts}
    change.record("campaign.carry", campaign.id, {**facts, "resolved": written, "left": list(picked.left)})


def _rows(session: Session, identifier: str) -> Sequence[CampaignBaseline]:
    return session.scalars(select(CampaignBaseline).where(CampaignBaseline.campaign == identifier)).all()


def _keep(register: Register, store: GitWorkshop, identifier: str) -> None:
    """Name the carried commits in the store, so that they stay and can be handed on."""
    with register.read() as session:
        for row in _rows(session, identifier):
            if row.hotfix and row.head:
                store.keep(row.hotfix, row.head)


# Building


def _build_all(
    register: Register, identifier: str, fix: Fix, source: Source, mirror: Path, by: str, clock: Clock
) -> None:
    with register.read() as session:
        waiting = [
            (row.baseline, row.hotfix, row.head)
            for row, state in session.execute(
                select(CampaignBaseline, Revision.state)
                .join(Revision, Revision.hotfix == CampaignBaseline.hotfix)
                .where(CampaignBaseline.campaign == identifier, Revision.state == "draft")
                .order_by(CampaignBaseline.hotfix)
            )
        ]
        tags = {one.label: one.tag for one in named_baselines(session, fix.product, [label for label, _, _ in waiting])}
    for label, hotfix, head in waiting:
        origin = GitOrigin(source.repository or Path(), f"refs/tags/{tags[label]}", str(head), mirror)
        try:
            _build(register, fix, source, Order(str(hotfix), fix.product, (label,)), origin, by, clock)
            problem = None
        except BuildError as error:
            problem = f"{error.message} ({error.code})"[:_LONGEST]
        with register.change(by, clock()) as change:
            change.session.get_one(CampaignBaseline, (identifier, label)).problem = problem


def _build(
    register: Register, fix: Fix, source: Source, order: Order, origin: GitOrigin, by: str, clock: Clock
) -> None:
    wanted = Wanted(
        order=replace(order, title=fix.title, severity=fix.severity),
        authored=fix.authored,
        origin=origin,
        people=source.people,
        allow=dict(source.allow),
    )
    with progress(f"building {order.hotfix}") as advance:
        built = build(wanted, source.out / f"{order.hotfix}-r1.hotfix", clock, advance)
    bundle = read_bundle(built.path)
    size = bundles.keep(register, bundle)
    with register.change(by, clock()) as change:
        intake.take(change, order.hotfix, bundle, size)


# Looking


@dataclass(frozen=True)
class Stand:
    """How a campaign stands at one baseline.

    Attributes:
        state: of the revision; `conflict`, `contained` or `failed` where there is none to speak of.
    """

    row: CampaignBaseline
    state: str
    revision: Revision | None

    def as_document(self) -> dict[str, Any]:
        """Return it for `--json`."""
        row = self.row
        return {
            "baseline": row.baseline,
            "state": self.state,
            "hotfix": row.hotfix,
            "revision": self.revision.number if self.revision else None,
            "manifest": self.revision.manifest_sha256 if self.revision else None,
            "head": row.head,
            "resolved": row.resolved,
            "contained": row.contained,
            "stopped_at": row.stopped_at,
            "conflicts": row.conflicts,
            "problem": row.problem,
        }

    @property
    def is_open(self) -> bool:
        """Whether somebody must do something before there can be a bundle."""
        return self.state in ("conflict", "failed")


def the_campaign(session: Session, identifier: str) -> Campaign:
    """Return a campaign.

    Raises:
        NotFoundError: there is none.
    """
    campaign = session.get(Campaign, identifier)
    if campaign is None:
        raise NotFoundError("campaign", f"the register knows no campaign {identifier!r}")
    return campaign


def list_campaigns(session: Session) -> Sequence[Campaign]:
    """Return all campaigns, the newest first."""
    return session.scalars(select(Campaign).order_by(Campaign.added.desc(), Campaign.id.desc())).all()


def show(session: Session, identifier: str) -> list[Stand]:
    """Return how a campaign stands at each of its baselines, the newest baseline first."""
    newest = (
        select(Revision.hotfix, func.max(Revision.number).label("number")).group_by(Revision.hotfix).subquery("newest")
    )
    query = (
        select(CampaignBaseline, Revision)
        .join(
            Baseline,
            (Baseline.product == CampaignBaseline.product) & (Baseline.label == CampaignBaseline.baseline),
        )
        .outerjoin(newest, newest.c.hotfix == CampaignBaseline.hotfix)
        .outerjoin(Revision, (Revision.hotfix == newest.c.hotfix) & (Revision.number == newest.c.number))
        .where(CampaignBaseline.campaign == identifier)
        .order_by(Baseline.added.desc(), Baseline.label.desc())
    )
    return [Stand(row, _state(row, revision), revision) for row, revision in session.execute(query)]


def _state(row: CampaignBaseline, revision: Revision | None) -> str:
    if row.conflicts:
        return "conflict"
    if revision is None:
        return "contained"
    return "failed" if row.problem and revision.state == "draft" else revision.state


def write_commits(register: Register, identifier: str, out: Path) -> list[str]:
    """Write the carried commits of a campaign into a file that `git fetch` reads; return the names they have in it.

    Raises:
        StateError: nothing was carried.
        GitError: they cannot be read.
    """
    with register.read() as session:
        campaign = the_campaign(session, identifier)
        heads = [str(row.hotfix) for row in _rows(session, identifier) if row.hotfix and row.resolved is None]
        bases = session.scalars(select(Baseline.commit_id).where(Baseline.product == campaign.product))
        beyond = [commit for commit in bases if commit]
        repository = the_product(session, campaign.product).repository
    if not heads:
        raise StateError("nothing-carried", f"{identifier} has no commits of its own")
    with GitWorkshop(Path(repository or ""), _mirror(register, campaign.product)) as store:
        store.write_pack(heads, beyond, out)
    return [f"refs/patchline/{name}" for name in heads]
