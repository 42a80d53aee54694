"""What waits for approvers: reviews, recalls that one person signed, emergencies that nobody has ratified yet.

Each thing is told to each person who may act on it once a day.
"""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.patches.errors import NotFoundError
from patchline.patches.policy import Purpose
from patchline.patches.root import Root
from patchline.releaser.approvals import ORDINARY
from patchline.releaser.emergencies import unratified
from patchline.releaser.fleet.contacts import read_person
from patchline.releaser.hotfixes import find, label
from patchline.releaser.persons import require_role
from patchline.releaser.policies import vendor_trust
from patchline.releaser.register import Change
from patchline.releaser.rollouts.drafting import WAITING, Draft
from patchline.releaser.states import State
from patchline.releaser.tables.hotfixes import Approval, Contributor, Hotfix, Recall, Revision
from patchline.releaser.tables.people import Person, Role
from patchline.releaser.tables.rollouts import MailAddress


def set_address(change: Change, person: str, written: str) -> str:
    """Say where a person of ours is written to; people do so for themselves, release managers for others too.

    Raises:
        RefusedError: who acts may not.
        NotFoundError: there is no such person.
        UsageError: it is no address.
    """
    if change.by != person:
        require_role(change.session, change.by, Role.RELEASE_MANAGER)
    if change.session.get(Person, person) is None:
        raise NotFoundError("person", f"there is no person {person}")
    address = read_person(written).address
    change.session.merge(MailAddress(person=person, address=address))
    change.record("person.address", person)
    return address


def drafts(session: Session, root: Root, now: datetime) -> list[Draft]:
    """Return a message for each thing and person who may act on it and whose address is known."""
    query = select(Person, MailAddress.address).join(MailAddress, MailAddress.person == Person.id)
    people = {person.id: (person, address) for person, address in session.execute(query) if person.disabled is None}
    found = []
    for revision, thing, done in _things(session):
        for name in sorted(_approvers(session, revision, root) - done):
            if name in people:
                person, address = people[name]
                found.append(_draft(revision, thing, person, address, now))
    return found


def _things(session: Session) -> Iterator[tuple[Revision, str, set[str]]]:
    """Yield what waits, in words, with those who have had their part in it."""
    for revision in session.scalars(select(Revision).where(Revision.state == State.IN_REVIEW).order_by(Revision.id)):
        yield revision, f"{label(revision)} waits for your approval", _acted(session, revision)
    for urgent in unratified(session):
        revision = find(session, urgent.label)
        words = (
            f"{urgent.label} went out as an emergency and ends {urgent.ends:%Y-%m-%d %H:%M} UTC unless it is ratified"
        )
        yield revision, words, _acted(session, revision)
    query = (
        select(Revision)
        .where(Revision.state.in_((State.HELD, State.APPROVED)), Revision.id.in_(select(Recall.revision)))
        .order_by(Revision.id)
    )
    for revision in session.scalars(query):
        signed = select(Recall.person).where(Recall.revision == revision.id, Recall.kind == "recall")
        yield revision, f"a recall of {label(revision)} waits for a second person", set(session.scalars(signed))


def _acted(session: Session, revision: Revision) -> set[str]:
    """Return those who had a part in a revision or gave their ordinary approval."""
    parts = select(Contributor.person).where(Contributor.revision == revision.id)
    votes = select(Approval.person).where(Approval.revision == revision.id, Approval.kind == ORDINARY)
    return {*session.scalars(parts), *session.scalars(votes)}


def _approvers(session: Session, revision: Revision, root: Root) -> set[str]:
    product = session.get_one(Hotfix, revision.hotfix).product
    keys = vendor_trust(session, product, root).policy.keys.values()
    return {key.person for key in keys if key.active and key.purpose is Purpose.APPROVER}


def _draft(revision: Revision, thing: str, person: Person, address: str, now: datetime) -> Draft:
    command = f"patchline hotfix show {label(revision)}"
    return Draft(
        purpose=WAITING,
        revision=revision.id,
        name=person.name,
        address=address,
        subject=thing,
        body=f"Dear {person.name},\n\n{thing}.\nLook at it: {command}\n",
        person=person.id,
        key=f"{now:%Y-%m-%d}",
    )
