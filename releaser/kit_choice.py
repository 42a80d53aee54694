"""What goes into a kit: judged release by release as a site would, with its own code.

- By a site's report: what is new for its baseline, and not what it has.
- In full: every revision that counts, of the products asked for.
- What is approved for named customers only goes into a kit for one of them, never into another.
- What is recalled, held, or would not be verified, stays out; the latter is told.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from patchline.patches import channel, documents
from patchline.patches.envelopes import Envelope
from patchline.patches.errors import NotFoundError
from patchline.patches.limits import LIMITS
from patchline.patches.recall_list import RecallList
from patchline.patches.recalls import KnownRecalls
from patchline.patches.root import Root
from patchline.patches.site.known import Known
from patchline.patches.site.offers import Circumstances, Offer, Standing, examine
from patchline.patches.site.sources import missing
from patchline.patches.site.tree import Look, Target, Tree
from patchline.patches.site.view import View
from patchline.patches.trust import Trust, trust_document
from patchline.releaser.fleet.reading import Statement
from patchline.releaser.published import ListedTarget, Published
from patchline.releaser.stores import Store

_STATUS_BYTES = LIMITS.manifest
_GO_IN = frozenset({Standing.NEW, Standing.NEWER_CLIENT})


@dataclass(frozen=True)
class Has:
    """What the register knows that a site has.

    Attributes:
        manifests: digests of what is in force there.
    """

    product: str
    baseline: str
    manifests: frozenset[str]


@dataclass(frozen=True)
class Wish:
    """For whom a kit is.

    Attributes:
        report: of the site, or what is known of it; None for everybody.
        products: of a kit for everybody; none for all there are.
        customer: what is approved for this one alone goes in too.
        withheld: by label, why a revision stays out that would go in.
    """

    report: Statement | Has | None = None
    products: frozenset[str] = frozenset()
    customer: str | None = None
    withheld: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Choice:
    """What goes into a kit.

    Attributes:
        products: of which policies and recalls go in.
        releases: the revisions that go in.
        left_out: revisions that a site would set aside, or that are withheld from it.
    """

    products: tuple[str, ...]
    releases: tuple[Offer, ...]
    left_out: tuple[Offer, ...]


def choose(store: Store, published: Published, wish: Wish, now: datetime) -> Choice:
    """Choose what goes into a kit.

    Raises:
        NotFoundError: the channel has nothing for a product.
    """
    there = _products(published.targets)
    products = {wish.report.product} if wish.report else wish.products or there
    if unknown := sorted(products - there):
        raise NotFoundError("channel-product", f"the channel has nothing for the product {unknown[0]}")
    offers = [offer for product in sorted(products) for offer in _judged(store, published, product, wish, now)]
    wanted = _GO_IN if wish.report else _GO_IN | {Standing.SUPERSEDED}
    fitting = [offer for offer in offers if offer.standing in wanted]
    withheld = [replace(one, why=wish.withheld[one.label]) for one in fitting if one.label in wish.withheld]
    left_out = [offer for offer in offers if offer.standing in (Standing.SET_ASIDE, Standing.ABSENT)]
    return Choice(
        products=tuple(sorted(products)),
        releases=tuple(offer for offer in fitting if offer.label not in wish.withheld),
        left_out=(*left_out, *withheld),
    )


def _products(targets: Iterable[str]) -> set[str]:
    start, end = channel.policy_target("*").split("*")
    return {name[len(start) : -len(end)] for name in targets if name.startswith(start) and name.endswith(end)}


def _judged(store: Store, published: Published, product: str, wish: Wish, now: datetime) -> list[Offer]:
    """Return what each revision of a product is to those for whom the kit is."""
    listed = {one.name: Target(one.name, one.sha256, one.size) for one in published.targets.values()}
    tree = Tree(kit=True, roots=(), versions={}, expiries={}, targets=listed, warnings=())
    look = Look(_StoreSource(store), tree, _view(store, published, product, wish.customer), ())
    report = wish.report
    site = Circumstances(
        baseline=report.baseline if report else None,
        applied=report.manifests if report else frozenset(),
        now=now,
        every_revision=report is None,
    )
    return examine(look, site)[0]


def _view(store: Store, published: Published, product: str, customer: str | None) -> View:
    """Return what a site believes that has just taken everything in."""
    policy = documents.decode(_status(store, published, channel.policy_target(product)) or b"", what="policy")
    envelope = Envelope.from_document(policy, "policy")
    root: Root = published.roots[-1]
    trust = Trust.parse(trust_document(product=product, root=root, policy=envelope, customer=customer))
    recalls = _status(store, published, channel.recalls_target(product))
    known = KnownRecalls.first(RecallList.parse(recalls), trust.policy) if recalls is not None else None
    return View(trust, known, Known())


def _status(store: Store, published: Published, name: str) -> bytes | None:
    listed = published.targets.get(name)
    return None if listed is None else store.read(listed.file, _STATUS_BYTES)


class _StoreSource:
    """The channel's store as a site's source."""

    def __init__(self, store: Store) -> None:
        self.name = "the channel's store"
        self._store = store

    def read(self, path: str, limit: int) -> bytes:
        data = self._store.read(path, limit)
        if data is None:
            raise missing(path, self.name)
        return data

    def open(self, path: str, size: int) -> BinaryIO:
        if self._store.size(path) != size:
            raise missing(path, self.name)
        return self._store.open(path)

    def metadata(self) -> list[str]:
        return []

    def path_of(self, path: str) -> Path | None:
        return None

    def close(self) -> None:
        pass


def listed_of(published: Published, choice: Choice) -> list[ListedTarget]:
    """Return the targets that go into a kit: the releases, and what the status role says about their products."""
    names = [offer.target.name for offer in choice.releases]
    for product in choice.products:
        names += [channel.policy_target(product), channel.recalls_target(product)]
    return [published.targets[name] for name in sorted([*names, channel.CHECKPOINT]) if name in published.targets]
