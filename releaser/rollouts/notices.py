"""Telling people, and keeping what was told to whom and when.

A notice is written down before it goes out, and what became of it after. So nobody gets one twice: where the connection
broke after a message was handed over, nobody knows whether it arrived, and it is sent again only when a person says so.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import Session, aliased

from patchline.patches.errors import StateError
from patchline.releaser.persons import require_role
from patchline.releaser.register import Change, Register
from patchline.releaser.rollouts.drafting import Draft
from patchline.releaser.rollouts.mail import NOT_SENT, REFUSED, SENT, Mail, connected
from patchline.releaser.tables.customers import Contact
from patchline.releaser.tables.people import Person, Role
from patchline.releaser.tables.rollouts import Notice, NoticeOutcome

HANDED_OVER = "handed-over"
_TOLD = (SENT, HANDED_OVER)


class Standing(StrEnum):
    """How a draft stands to what was told before."""

    NEW = "new"
    TOLD = "told"
    IN_DOUBT = "in-doubt"


@dataclass(frozen=True)
class Pending:
    """A draft, and what was told before of the same.

    Attributes:
        at: when.
        attempt: number of the notices of the same before it.
    """

    draft: Draft
    standing: Standing
    at: datetime | None
    attempt: int


@dataclass(frozen=True)
class Result:
    """What became of a notice now; its outcome is None where nobody knows."""

    draft: Draft
    outcome: str | None
    told: str


def pending(session: Session, drafts: Sequence[Draft]) -> list[Pending]:
    """Return for each draft whether its person was told of all these sites before; in one statement."""
    if not drafts:
        return []
    query = (
        select(Notice, NoticeOutcome)
        .select_from(Notice)
        .outerjoin(NoticeOutcome, _last_outcome())
        .where(Notice.purpose == drafts[0].purpose)
        .order_by(Notice.id)
    )
    revisions = {draft.revision for draft in drafts}
    if None not in revisions:
        query = query.where(Notice.revision.in_(revisions))
    before: dict[tuple[int | str | None, int | None], list[tuple[Notice, NoticeOutcome | None]]] = {}
    for notice, outcome in session.execute(query):
        whom = notice.contact if notice.contact is not None else notice.person
        before.setdefault((whom, notice.revision), []).append((notice, outcome))
    return [_stand(draft, before.get((draft.contact or draft.person, draft.revision), [])) for draft in drafts]


def _last_outcome() -> ColumnElement[bool]:
    """Return the condition by which a notice is joined with the last of its outcomes."""
    other = aliased(NoticeOutcome)
    last = select(func.max(other.number)).where(other.notice == Notice.id).correlate(Notice).scalar_subquery()
    return and_(NoticeOutcome.notice == Notice.id, NoticeOutcome.number == last)


def _stand(draft: Draft, before: Iterable[tuple[Notice, NoticeOutcome | None]]) -> Pending:
    """Compare a draft with the notices to the same person about the same revision."""
    standing, at, attempt = Standing.NEW, None, 0
    for notice, outcome in before:
        if draft.contact is None and notice.identity != draft.identity():
            continue
        covered = set(draft.sites) <= set(notice.sites)
        if outcome is not None and outcome.outcome not in _TOLD:
            continue
        attempt += 1
        if covered:
            standing, at = (Standing.IN_DOUBT if outcome is None else Standing.TOLD), notice.added
    return Pending(draft, standing, at, attempt)


def to_tell(found: Sequence[Pending], *, again: bool) -> list[Pending]:
    """Return those that are to be told now."""
    return [one for one in found if again or one.standing is Standing.NEW]


def send(register: Register, found: Sequence[Pending], by: str, now: datetime) -> list[Result]:
    """Send messages one by one, each written down before and after.

    Raises:
        StateError: the server is gone; what was sent until then is kept, and the rest goes out with the next call.
        SettingsError: the settings name no server.
        RefusedError: who acts may not write to customers.
    """
    with register.read() as session:
        require_role(session, by, Role.SUPPORT, Role.RELEASE_MANAGER)
    results: list[Result] = []
    if not found:
        return results
    with connected(register.settings) as server:
        for one in found:
            with register.change(by, now) as change:
                notice = _begin(change, one)
            if notice is None:
                continue
            mail = Mail(
                one.draft.name, one.draft.address, one.draft.subject, one.draft.body, one.draft.identity(one.attempt)
            )
            answer = server.send(mail, now)
            with register.change(by, now) as change:
                _end(change, notice, one.draft, answer.outcome, answer.told)
            results.append(Result(one.draft, answer.outcome, answer.told))
            if answer.gone:
                sent = sum(result.outcome == SENT for result in results)
                raise StateError("mail-server", f"{sent} of {len(found)} messages were sent, then: {answer.told}")
    return results


def hand_over(change: Change, found: Sequence[Pending], how: str) -> list[Result]:
    """Keep that messages were given away to be sent by other means: the text as it was, as told.

    Args:
        change: under way.
        found: which.
        how: such as `csv`.

    Raises:
        RefusedError: who acts may not write to customers.
    """
    require_role(change.session, change.by, Role.SUPPORT, Role.RELEASE_MANAGER)
    results = []
    for one in found:
        notice = _begin(change, one)
        if notice is not None:
            _end(change, notice, one.draft, HANDED_OVER, how)
            results.append(Result(one.draft, HANDED_OVER, how))
    return results


def _begin(change: Change, one: Pending) -> int | None:
    """Write a notice down; None when somebody else is at it, or it has been told meanwhile."""
    draft = one.draft
    if draft.contact is not None:
        change.session.get(Contact, draft.contact, with_for_update=True)
    else:
        change.session.get(Person, draft.person, with_for_update=True)
    identity = draft.identity(one.attempt)
    there = change.session.scalar(select(Notice.id).where(Notice.identity == identity))
    if there is not None:
        last = select(NoticeOutcome.outcome).where(NoticeOutcome.notice == there)
        outcome = change.session.scalar(last.order_by(NoticeOutcome.number.desc()).limit(1))
        return there if outcome in (REFUSED, NOT_SENT) else None
    made = Notice(
        identity=identity,
        purpose=draft.purpose,
        revision=draft.revision,
        contact=draft.contact,
        person=draft.person,
        sites=list(draft.sites),
        address=draft.address,
        subject=draft.subject,
        body=draft.body,
        added=change.now,
        added_by=change.by,
    )
    change.session.add(made)
    change.session.flush()
    return made.id


def _end(change: Change, notice: int, draft: Draft, outcome: str | None, told: str) -> None:
    """Write down what became of a notice; of one in doubt there is nothing to write but the event."""
    facts = {"notice": notice, "purpose": draft.purpose, "outcome": outcome or "in-doubt", "told": told}
    whom = f"contact {draft.contact}" if draft.contact is not None else str(draft.person)
    change.record("notice.send", whom, facts)
    if outcome is None:
        return
    number = select(func.coalesce(func.max(NoticeOutcome.number), 0) + 1).where(NoticeOutcome.notice == notice)
    change.session.add(
        NoticeOutcome(
            notice=notice, number=change.session.scalar(number), outcome=outcome, told=told[:500], at=change.now
        )
    )
    change.session.flush()


@dataclass(frozen=True)
class Told:
    """A notice as it was, and what became of it."""

    notice: Notice
    outcome: NoticeOutcome | None
    customer: str | None


def told(session: Session, revision: int) -> list[Told]:
    """Return all that was told about a revision to contacts, the oldest first."""
    query = (
        select(Notice, NoticeOutcome, Contact.customer)
        .select_from(Notice)
        .join(Contact, Contact.id == Notice.contact)
        .outerjoin(NoticeOutcome, _last_outcome())
        .where(Notice.revision == revision)
        .order_by(Notice.id)
    )
    return [Told(*row) for row in session.execute(query)]
