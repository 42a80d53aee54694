"""Hotfixes of the register and the steps of their revisions.

Every step goes through `move`: the transition table says whether it may be made, and step and audit event come in with
it. Whoever wants to make one takes the revision by `locked`, so that two who act on one revision act one after the
other.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from patchline.patches import identifiers
from patchline.patches.errors import NotFoundError, RefusedError, StateError, UsageError
from patchline.patches.manifest import KINDS, SEVERITIES
from patchline.patches.statements import CUSTOMER
from patchline.releaser.register import Change
from patchline.releaser.states import ENDED, Action, State, check_may, transition
from patchline.releaser.tables.catalogue import Baseline
from patchline.releaser.tables.hotfixes import Hotfix, Revision, Step
from patchline.releaser.tables.people import PersonRole

_LABEL = re.compile(r"(?P<hotfix>.{3,64}?)(?:-r(?P<number>[1-9][0-9]{0,4}))?")
_NEXT = text(
    "INSERT INTO counter (series, last) VALUES (:series, 1) "
    "ON CONFLICT (series) DO UPDATE SET last = counter.last + 1 RETURNING last"
)
_LONGEST_TITLE, _LONGEST_REASON = 300, 1000


@dataclass(frozen=True)
class Wanted:
    """A hotfix as somebody asks for it.

    Attributes:
        fixes: ids of what it is meant to mend.
        customers: whom it is for, None for all.
    """

    product: str
    baseline: str
    title: str
    kind: str = "one-off"
    severity: str = "moderate"
    fixes: tuple[str, ...] = ()
    customers: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Edit:
    """What is to be different; None leaves it as it is. For customers, an empty tuple stands for all."""

    title: str | None = None
    kind: str | None = None
    severity: str | None = None
    fixes: tuple[str, ...] | None = None
    customers: tuple[str, ...] | None = None


def check_fields(wanted: Wanted | Edit) -> None:
    """Raise UsageError for a field that no manifest or approval could hold."""
    if wanted.title is not None and (not 0 < len(wanted.title) <= _LONGEST_TITLE or not wanted.title.isprintable()):
        raise UsageError("hotfix-field", f"the title has 1 to {_LONGEST_TITLE} printable characters")
    if wanted.kind is not None and wanted.kind not in KINDS:
        raise UsageError("hotfix-field", f"{wanted.kind!r} is no kind: {', '.join(KINDS)}")
    if wanted.severity is not None and wanted.severity not in SEVERITIES:
        raise UsageError("hotfix-field", f"{wanted.severity!r} is no severity: {', '.join(SEVERITIES)}")
    for what, pattern, given in (("fix", identifiers.FIX, wanted.fixes), ("customer", CUSTOMER, wanted.customers)):
        if wrong := [name for name in given or () if not pattern.fullmatch(name)]:
            raise UsageError("hotfix-field", f"{wrong[0]!r} is no id of a {what}")


def new(change: Change, wanted: Wanted, identifier: str | None = None) -> Revision:
    """Make a hotfix and its first revision.

    Args:
        change: under way.
        wanted: what is asked for.
        identifier: its id; by default the next `HF-YYYY-NNNN`.

    Raises:
        UsageError: a field is wrong.
        NotFoundError: the baseline is not registered.
        RefusedError: who acts may not, or the id is taken.
    """
    check_may(Action.NEW, roles_of(change), "a hotfix")
    check_fields(wanted)
    if change.session.get(Baseline, (wanted.product, wanted.baseline)) is None:
        raise NotFoundError("baseline", f"the register knows no baseline {wanted.baseline} of {wanted.product}")
    hotfix = Hotfix(
        id=_free(change, identifier) if identifier else _allocated(change),
        product=wanted.product,
        baseline=wanted.baseline,
        kind=wanted.kind,
        severity=wanted.severity,
        title=wanted.title,
        fixes=sorted(set(wanted.fixes)),
        customers=_customers(wanted.customers),
        added=change.now,
        added_by=change.by,
    )
    change.session.add(hotfix)
    try:
        change.session.flush()
    except IntegrityError:  # Somebody else was faster, and we saw nothing of it.
        raise RefusedError("hotfix-exists", f"there is a hotfix {hotfix.id} already") from None
    return _drafted(change, hotfix, 1)


def revise(change: Change, identifier: str) -> Revision:
    """Begin the next revision of a hotfix whose last one has ended.

    Raises:
        NotFoundError: there is no such hotfix.
        StateError: its last revision has not ended.
        RefusedError: who acts may not.
    """
    check_may(Action.NEW, roles_of(change), identifier)
    last = locked(change, identifier)
    if State(last.state) not in ENDED:
        raise StateError("open-revision", f"{label(last)} is {last.state}")
    hotfix = change.session.get_one(Hotfix, last.hotfix)
    if hotfix.legacy:
        raise StateError("hotfix-state", f"{hotfix.id} was shipped before the register knew it; make a new hotfix")
    return _drafted(change, hotfix, last.number + 1)


def edit(change: Change, identifier: str, wanted: Edit, seen: int | None = None) -> Hotfix:
    """Change what a hotfix is meant to be, as long as its revision was not submitted.

    Args:
        change: under way.
        identifier: of the hotfix.
        wanted: what is to be different.
        seen: the version of the row that the person looked at; None for whatever there is now.

    Raises:
        StateError: it was submitted, or somebody else changed it meanwhile.
        UsageError: a field is wrong.
    """
    check_fields(wanted)
    revision = locked(change, identifier)
    hotfix = change.session.get_one(Hotfix, revision.hotfix, populate_existing=True)
    if seen is not None and hotfix.version != seen:
        raise StateError("edited", f"{hotfix.id} was changed meanwhile")
    given = {field.name: getattr(wanted, field.name) for field in fields(wanted)}
    changed = {name: value for name, value in given.items() if value is not None}
    if "customers" in changed:
        changed["customers"] = _customers(changed["customers"] or None)
    if "fixes" in changed:
        changed["fixes"] = sorted(set(changed["fixes"]))
    for name, value in changed.items():
        setattr(hotfix, name, value)
    move(change, revision, Action.EDIT, State(revision.state), facts=changed)
    change.session.flush()
    return hotfix


def stop(change: Change, identifier: str, action: Action, reason: str) -> Revision:
    """Reject or abandon a revision.

    Raises:
        StateError: it is not in review, or ended, or was approved.
        RefusedError: who acts may not; or what was approved would just disappear.
    """
    revision = locked(change, identifier)
    if State(revision.state) is State.APPROVED:
        check_may(action, roles_of(change), label(revision))
        raise RefusedError("void", f"{label(revision)} is approved, and copies of it may be anywhere")
    after = State.REJECTED if action is Action.REJECT else State.ABANDONED
    move(change, revision, action, after, reason=reason)
    return revision


def move(
    change: Change,
    revision: Revision,
    action: Action,
    after: State,
    *,
    reason: str | None = None,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Make a step in the life of a revision, with its audit event.

    What the step depends on in the database's own rules must have been flushed before.

    Raises:
        StateError: this is not done in its state.
        RefusedError: who acts lacks the role.
        UsageError: the reason is empty or too long.
    """
    _check_reason(reason)
    transition(action, State(revision.state), after, roles_of(change), label(revision))
    revision.state = after
    change.session.flush()
    _record(change, revision, action, reason, facts)


def _record(
    change: Change,
    revision: Revision,
    action: Action,
    reason: str | None = None,
    facts: Mapping[str, Any] | None = None,
) -> None:
    number = select(func.coalesce(func.max(Step.number), 0) + 1).where(Step.revision == revision.id)
    change.session.add(
        Step(
            revision=revision.id,
            number=change.session.scalar(number),
            action=action,
            state=revision.state,
            at=change.now,
            person=change.by,
            reason=reason,
        )
    )
    told = {"state": str(revision.state), **(facts or {}), **({"reason": reason} if reason is not None else {})}
    change.record(f"hotfix.{action}", label(revision), told)
    change.session.flush()


def _check_reason(reason: str | None) -> None:
    if reason is not None and not 0 < len(reason.strip()) <= len(reason) <= _LONGEST_REASON:
        raise UsageError("hotfix-field", f"the reason has 1 to {_LONGEST_REASON} characters")


def begun(change: Change, revision: Revision, action: Action, facts: Mapping[str, Any] | None = None) -> None:
    """Record the first step of a revision that was just added.

    Raises:
        RefusedError: who acts lacks the role.
    """
    transition(action, None, State(revision.state), roles_of(change), label(revision))
    change.session.add(revision)
    change.session.flush()
    _record(change, revision, action, facts=facts)


def _drafted(change: Change, hotfix: Hotfix, number: int) -> Revision:
    revision = Revision(
        hotfix=hotfix.id, number=number, state=State.DRAFT, added=change.now, added_by=change.by, legacy=False
    )
    begun(change, revision, Action.NEW, {"product": hotfix.product, "baseline": hotfix.baseline, "title": hotfix.title})
    return revision


def _allocated(change: Change) -> str:
    """Return the next id of the year that nobody has used."""
    year = change.now.year
    while True:
        number = next_number(change.session, f"hotfix-{year}")
        identifier = f"HF-{year}-{number:04}"
        if change.session.get(Hotfix, identifier) is None:
            return identifier


def next_number(session: Session, series: str) -> int:
    """Return the next number of a series; none is given twice, and of two who ask at once one waits."""
    return int(session.execute(_NEXT, {"series": series}).scalar_one())


def _free(change: Change, identifier: str) -> str:
    if not identifiers.HOTFIX.fullmatch(identifier):
        raise UsageError("hotfix-field", f"{identifier!r} is no id of a hotfix")
    if change.session.get(Hotfix, identifier) is not None:
        raise RefusedError("hotfix-exists", f"there is a hotfix {identifier} already")
    return identifier


def _customers(given: Sequence[str] | None) -> list[str] | None:
    return sorted(set(given)) if given else None


# Finding them


def label(revision: Revision) -> str:
    """Return the name of a revision, such as `HF-2026-0012-r1`."""
    return f"{revision.hotfix}-r{revision.number}"


def roles_of(change: Change) -> frozenset[str]:
    """Return the roles of whoever makes a change."""
    return frozenset(change.session.scalars(select(PersonRole.role).where(PersonRole.person == change.by)))


def find(session: Session, identifier: str) -> Revision:
    """Return a revision by its name, or the last one of a hotfix by the hotfix's id.

    Raises:
        NotFoundError: there is none.
    """
    return _found(session, identifier, lock=False)


def locked(change: Change, identifier: str) -> Revision:
    """Return a revision as `find` does, kept from everybody else until the change ends.

    Raises:
        NotFoundError: there is none.
    """
    return _found(change.session, identifier, lock=True)


def _found(session: Session, identifier: str, *, lock: bool) -> Revision:
    match = _LABEL.fullmatch(identifier)
    if match is None or session.get(Hotfix, match["hotfix"]) is None:
        raise NotFoundError("registered-hotfix", f"the register knows no hotfix {identifier!r}")
    query = select(Revision).where(Revision.hotfix == match["hotfix"]).order_by(Revision.number.desc()).limit(1)
    if match["number"]:
        query = query.where(Revision.number == int(match["number"]))
    if lock:
        # What another transaction did while we waited for the lock is read anew.
        query = query.with_for_update().execution_options(populate_existing=True)
    revision = session.scalar(query)
    if revision is None:
        raise NotFoundError("revision", f"there is no revision {identifier}")
    if lock and not match["number"]:
        # Somebody may have begun the next one while we waited.
        newest = session.scalar(select(func.max(Revision.number)).where(Revision.hotfix == revision.hotfix))
        if newest != revision.number:
            return _found(session, f"{revision.hotfix}-r{newest}", lock=True)
    return revision
