"""What a question says of a site, said to the database: conditions that indexes answer alone.

They say what `questions.judged` says of one site; tests compare both.
"""

from collections.abc import Sequence

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Integer,
    Select,
    Subquery,
    and_,
    case,
    cast,
    false,
    func,
    or_,
    select,
    true,
)

from patchline.releaser.fleet.subjects import FULL, Answer, Place, Subject
from patchline.releaser.tables.customers import Site
from patchline.releaser.tables.fleet import Applied, EvidenceGrade, SiteState
from patchline.releaser.tables.hotfixes import RevisionFix

NEVER = EvidenceGrade.NEVER.value


def retired() -> Select[int]:
    """Return a statement for the sites that are no more."""
    return select(Site.id).where(Site.retired.is_not(None))


def of_products(subject: Subject) -> list[ColumnElement[bool]]:
    """Return the conditions for all sites that a question is about."""
    return [SiteState.product.in_(subject.products), SiteState.site.not_in(retired())]


def heard() -> ColumnElement[bool]:
    """Return the condition that a site's level is known."""
    return and_(SiteState.baseline.is_not(None), SiteState.evidence != NEVER)


def at_places(places: Sequence[Place]) -> ColumnElement[bool]:
    """Return the condition that a site runs one of these baselines."""
    by_product: dict[str, list[str]] = {}
    for product, label in places:
        by_product.setdefault(product, []).append(label)
    found = [and_(SiteState.product == name, SiteState.baseline.in_(labels)) for name, labels in by_product.items()]
    return or_(false(), *found)


def in_scope(subject: Subject) -> ColumnElement[bool]:
    """Return the condition that it is for a site's customer."""
    return true() if subject.customers is None else SiteState.customer.in_(subject.customers)


def applied_at(subject: Subject, *, used: bool = False) -> Select[int] | CompoundSelect[int]:
    """Return a statement for the sites that have applied it; with `used` those whose running processes use it."""
    running = [Applied.pending.is_(False)] if used else []
    alone = select(Applied.site).where(Applied.revision.in_(list(subject.full)), *running)
    if not subject.parts:
        return alone
    several = (
        select(Applied.site)
        .join(RevisionFix, RevisionFix.revision == Applied.revision)
        .where(Applied.revision.in_(list(subject.parts)), *running)
        .where(RevisionFix.fix.in_(subject.together), RevisionFix.coverage == FULL)
        .group_by(Applied.site)
        .having(func.count(RevisionFix.fix.distinct()) == len(subject.together))
    )
    return alone.union(several)


def having(subject: Subject) -> Subquery:
    """Return the sites that have applied it, once each, with `pending` 1 where what runs does not use it yet."""
    if not subject.parts:
        return (
            select(Applied.site, func.min(cast(Applied.pending, Integer)).label("pending"))
            .where(Applied.revision.in_(list(subject.full)))
            .group_by(Applied.site)
            .subquery()
        )
    there = applied_at(subject).subquery()
    waiting = case((there.c.site.in_(applied_at(subject, used=True)), 0), else_=1)
    return select(there.c.site, waiting.label("pending")).subquery()


def matching(subject: Subject, answer: Answer) -> ColumnElement[bool]:
    """Return the condition for the sites of which a question answers so."""
    has_it = SiteState.site.in_(applied_at(subject))
    lacks_it = SiteState.site.not_in(applied_at(subject))
    if answer is Answer.HAS:
        return and_(heard(), or_(has_it, at_places(subject.places(Answer.HAS))))
    if answer is Answer.LACKS:
        return and_(heard(), at_places(subject.places(Answer.LACKS)), in_scope(subject), lacks_it)
    own = at_places(subject.places(answer))
    if subject.otherwise.answer is answer:
        own = or_(own, ~at_places(list(subject.grounds)))
    if answer is Answer.UNKNOWN:
        return or_(~heard(), and_(own, lacks_it))
    if subject.customers is not None:
        own = or_(own, and_(at_places(subject.places(Answer.LACKS)), ~in_scope(subject)))
    return and_(heard(), own, lacks_it)
