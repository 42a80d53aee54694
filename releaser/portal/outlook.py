"""How a customer's sites stand, in one sentence each: what somebody has to know who has a minute, at any hour."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from patchline.patches.wording import counted
from patchline.releaser.fleet.accounts import Account, At, accounts
from patchline.releaser.fleet.hotfix_states import HotfixState
from patchline.releaser.fleet.levels import When, levels
from patchline.releaser.fleet.words import age
from patchline.releaser.portal.acting import Visitor, own_sites
from patchline.releaser.states import State
from patchline.releaser.tables.customers import Site
from patchline.releaser.tables.fleet import EvidenceGrade

ACT, DO, LOOK, REST = "bad", "warn", "busy", "good"
"""How a sentence sounds: something does harm, something is to be done, something is to be told, nothing."""
STALE = timedelta(days=90)
_SEVERITIES = ("critical", "important", "moderate", "low")
READY = (HotfixState.AVAILABLE, HotfixState.DOWNLOADED, HotfixState.ROLLED_BACK)


@dataclass(frozen=True)
class Outlook:
    """How a site stands.

    Attributes:
        tone: how urgent it is.
        sentence: all of it in words.
    """

    account: Account
    tone: str
    sentence: str

    @property
    def site(self) -> Site:
        """The site."""
        return self.account.level.site

    @property
    def recalled(self) -> list[At]:
        """What was recalled and is still there."""
        return self.account.of_state(HotfixState.RECALLED_THERE)

    @property
    def ready(self) -> list[At]:
        """What it may take now."""
        return ready(self.account)

    @property
    def waiting(self) -> list[At]:
        """What it needs and may not take yet, with the reason."""
        return [one for one in self.account.of_state(HotfixState.APPLICABLE) if one.revision.state is State.PUBLISHED]


def ready(account: Account) -> list[At]:
    """Return what a site may take now."""
    return [one for one in account.of_state(*READY) if one.revision.state is State.PUBLISHED]


def outlooks(session: Session, who: Visitor, now: datetime, site: Site | None = None) -> list[Outlook]:
    """Return how the customer's sites stand, or one of them, the most urgent first; in a constant number of statements."""
    when = When(now)
    sites = [site] if site is not None else own_sites(session, who)
    found = [_outlook(one, now) for one in accounts(session, levels(session, sites, when), when, closely=True)]
    return sorted(found, key=lambda one: ((ACT, DO, LOOK, REST).index(one.tone), one.site.name))


def _outlook(account: Account, now: datetime) -> Outlook:
    level = account.level
    if level.baseline is None or level.as_of is None:
        told = f"{called(level.site)} never reported: report its level, and this page says what it needs."
        return Outlook(account, LOOK, told)
    tone, what = _what(account, now)
    how = "reported" if level.evidence in (EvidenceGrade.SIGNED_ONLINE, EvidenceGrade.SIGNED_BY_HAND) else "told"
    sentence = f"{called(level.site)}: {level.label or level.baseline} as {how} {age(level.as_of, now)}: {what}."
    return Outlook(account, tone, sentence)


def called(site: Site) -> str:
    """Return what a site is called at the beginning of a sentence."""
    return site.title[:1].upper() + site.title[1:]


def _what(account: Account, now: datetime) -> tuple[str, str]:
    """Return what is to be done at a site whose level is known, and how urgent that is."""
    level = account.level
    told, tone = [], REST
    recalled, fixes = account.of_state(HotfixState.RECALLED_THERE), ready(account)
    if recalled:
        tone, told = ACT, [f"{counted(len(recalled), 'recalled hotfix', 'recalled hotfixes')} applied: act now"]
    if fixes:
        tone, told = max(tone, DO, key=_gravity), [_fixes(fixes), *told]
    if level.unfinished:
        tone, told = max(tone, DO, key=_gravity), [*told, "a change was cut off there: run patchline-site recover"]
    if pending := account.of_state(HotfixState.PENDING):
        tone, told = (
            max(tone, DO, key=_gravity),
            [*told, f"{counted(len(pending), 'hotfix waits', 'hotfixes wait')} for a restart"],
        )
    if level.contested:
        tone, told = max(tone, LOOK, key=_gravity), [*told, "two copies report as this site: support will call you"]
    if level.as_of is not None and now - level.as_of > STALE:
        tone, told = max(tone, LOOK, key=_gravity), [*told, "that is long ago: report its level anew"]
    return tone, "; ".join(told) or "nothing to do"


def _gravity(tone: str) -> int:
    return (REST, LOOK, DO, ACT).index(tone)


def _fixes(fixes: Sequence[At]) -> str:
    """Return how many fixes are there, the gravest first."""
    gravest = min((one.severity for one in fixes), key=_rank)
    count = sum(one.severity == gravest for one in fixes)
    others = len(fixes) - count
    more = f" and {counted(others, 'other')}" if others else ""
    return f"{counted(count, f'{gravest} fix', f'{gravest} fixes')}{more} available"


def _rank(severity: str) -> int:
    return _SEVERITIES.index(severity) if severity in _SEVERITIES else len(_SEVERITIES)


def whole(found: Sequence[Outlook]) -> tuple[str, str]:
    """Return the one sentence about all sites of a customer, and how urgent it is."""
    if not found:
        return LOOK, "Your vendor has not registered any site of yours yet: ask its support."
    first = found[0]
    urgent = [one for one in found if one.tone in (ACT, DO)]
    if len(found) == 1:
        return first.tone, first.sentence
    if not urgent:
        told = (
            "nothing is to be done"
            if first.tone == REST
            else f"{counted(sum(one.tone == LOOK for one in found), 'site')} should report"
        )
        return first.tone, f"{counted(len(found), 'site')}, {told}."
    return first.tone, f"{len(urgent)} of your {len(found)} sites need you. {first.sentence}"
