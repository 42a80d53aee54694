"""Why a person may or may not sign a revision, told without trying it.

What is said here decides nothing: an approval is judged when it is taken in, and again by every site.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.patches.policy import Custody, Policy, PolicyKey, Purpose
from patchline.releaser.states import State
from patchline.releaser.tables.browser_keys import BrowserKey
from patchline.releaser.tables.people import Person, PersonRole, Role

_OPEN = (State.IN_REVIEW, State.APPROVED)


@dataclass(frozen=True)
class Reader:
    """Who looks, as far as it matters to signing.

    Attributes:
        enrolled: ids of their keys in browsers that were not retired.
    """

    person: str
    disabled: bool
    roles: frozenset[str]
    enrolled: frozenset[str]


@dataclass(frozen=True)
class Case:
    """What is to be signed, as far as it matters to who may.

    Attributes:
        enough: there is no place left to fill.
        parts: what each person had to do with it.
        voted: who gave an ordinary approval.
        ratifies: it went out as an emergency, and ordinary approvals ratify it.
    """

    label: str
    state: State
    enough: bool
    parts: Collection[tuple[str, str]]
    voted: Collection[str]
    policy: Policy | None
    ratifies: bool = False


@dataclass(frozen=True)
class Answer:
    """Whether somebody may sign.

    Attributes:
        against: every reason against it, in words; none when they may.
        keys: their approver's keys of the policy that count.
        browser: ids of those of them that lie in a browser and were enrolled here.
    """

    against: tuple[str, ...]
    keys: tuple[PolicyKey, ...]
    browser: tuple[str, ...]

    @property
    def may(self) -> bool:
        """Whether they may."""
        return not self.against

    @property
    def words(self) -> str:
        """The answer in one sentence."""
        if self.against:
            return "You may not sign: " + "; ".join(self.against)
        ways = {_WAYS[key.custody] for key in self.keys if key.custody is not Custody.BROWSER}
        ways |= {"in the browser that holds your key"} if self.browser else set()
        return "You may sign " + " or ".join(sorted(ways))

    def has(self, custody: Custody) -> bool:
        """Whether one of the keys lies there."""
        return any(key.custody is custody for key in self.keys)


_WAYS = {Custody.CLI: "on your own machine", Custody.TRANSIT: "with your login to Vault"}


def reader(session: Session, person: str) -> Reader:
    """Return who looks."""
    query = select(Person.disabled, PersonRole.role).outerjoin(PersonRole, PersonRole.person == Person.id)
    rows = session.execute(query.where(Person.id == person)).all()
    keys = select(BrowserKey.keyid).where(BrowserKey.person == person, BrowserKey.retired.is_(None))
    roles = frozenset(str(row.role) for row in rows if row.role)
    disabled = not rows or rows[0].disabled is not None
    return Reader(person, disabled, roles, frozenset(session.scalars(keys)))


def may_sign(who: Reader, case: Case) -> Answer:
    """Tell whether somebody may sign a revision, and with what."""
    keys = _keys(who.person, case.policy)
    active = tuple(key for key in keys if key.active)
    usable = tuple(key for key in active if key.custody is not Custody.BROWSER or key.public.keyid in who.enrolled)
    against = [*_about_case(case), *_about_person(who, case), *_about_keys(who, case, keys, active, usable)]
    browser = tuple(key.public.keyid for key in usable if key.custody is Custody.BROWSER)
    return Answer(tuple(against), usable, browser)


def _keys(person: str, policy: Policy | None) -> list[PolicyKey]:
    if policy is None:
        return []
    return [key for key in policy.keys.values() if key.person == person and key.purpose is Purpose.APPROVER]


def _about_case(case: Case) -> Iterator[str]:
    if case.state not in _OPEN and not case.ratifies:
        yield f"{case.label} is {case.state}, not in review"
    elif case.enough:
        yield "it is approved by as many as it takes"


def _about_person(who: Reader, case: Case) -> Iterator[str]:
    if who.disabled:
        yield "you were disabled"
    if who.roles == {Role.AUDITOR}:
        yield "you are an auditor, who looks and signs nothing"
    if parts := sorted(part for person, part in case.parts if person == who.person):
        yield f"you are its {' and '.join(parts)}"
    if who.person in case.voted:
        yield "you have approved it already"


def _about_keys(
    who: Reader, case: Case, keys: list[PolicyKey], active: Collection[PolicyKey], usable: Collection[PolicyKey]
) -> Iterator[str]:
    if case.policy is None:
        yield "the product has no policy yet, so nobody's signature counts"
    elif not keys:
        made = "; the key of your browser is made, not yet in the policy" if who.enrolled else ""
        yield f"policy {case.policy.version} lists no approver's key of yours{made}"
    elif not active:
        yield f"policy {case.policy.version} has retired or revoked your keys"
    elif not usable:
        yield "your only key in the policy lies in a browser and was retired or never enrolled here"
