"""Where sites may go next: the newest baseline of each product."""

from collections.abc import Collection, Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.releaser.tables.catalogue import Baseline


def newest_baselines(session: Session, products: Collection[str]) -> Mapping[str, str]:
    """Return by product the label of the baseline that was registered last."""
    query = select(Baseline.product, Baseline.label).where(Baseline.product.in_(products))
    return {row.product: row.label for row in session.execute(query.order_by(Baseline.added, Baseline.label))}


def baselines(session: Session, product: str) -> list[str]:
    """Return the labels of a product's baselines, the newest first."""
    query = select(Baseline.label).where(Baseline.product == product)
    return list(session.scalars(query.order_by(Baseline.added.desc(), Baseline.label.desc())))
