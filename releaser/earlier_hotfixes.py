"""What is published for a baseline and may be at a site already, when a new hotfix for it is built."""

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.releaser.bundles import ReleaseSet, fetch, release_set
from patchline.releaser.hotfixes import find
from patchline.releaser.register import Register
from patchline.releaser.states import State
from patchline.releaser.tables.hotfixes import Hotfix, Revision


def published_before(register: Register, identifier: str, folder: Path) -> list[Path]:
    """Fetch the bundles of all published hotfixes of a revision's baseline; return their paths.

    Of those for named customers only the ones that all customers of the new one have.

    Args:
        register: the register.
        identifier: of the hotfix or revision that is to be built.
        folder: where to write them.

    Raises:
        StoreError: the store lost or changed one.
    """
    with register.read() as session:
        kept = _published(session, find(session, identifier))
    for one in kept:
        fetch(register, one, folder / one.name)
    return [folder / one.name for one in kept]


def _published(session: Session, revision: Revision) -> Sequence[ReleaseSet]:
    mine = session.get_one(Hotfix, revision.hotfix)
    query = (
        select(Hotfix, Revision)
        .join(Revision, Revision.hotfix == Hotfix.id)
        .where(
            Hotfix.product == mine.product,
            Hotfix.baseline == mine.baseline,
            Revision.state == State.PUBLISHED,
            Revision.manifest.is_not(None),
        )
        .order_by(Hotfix.id, Revision.number)
    )
    newest = {row.Hotfix.id: row for row in session.execute(query)}
    return [
        release_set(session, row.Revision)
        for row in newest.values()
        if _may_be_there(row.Hotfix.customers, mine.customers)
    ]


def _may_be_there(theirs: list[str] | None, mine: list[str] | None) -> bool:
    return theirs is None or (mine is not None and set(mine) <= set(theirs))
