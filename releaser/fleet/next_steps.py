"""What a site should do next, the most urgent first: one rule over what follows from its level."""

from collections.abc import Iterable
from dataclasses import dataclass

from patchline.releaser.fleet.accounts import Account, At
from patchline.releaser.fleet.hotfix_states import MISSING, HotfixState
from patchline.releaser.states import State

CRITICAL = "critical"


@dataclass(frozen=True)
class Step:
    """Something to be done.

    Attributes:
        tone: `bad` at once, `warn` soon, `busy` when it fits, `off` where nothing can be done yet.
    """

    tone: str
    words: str


def missing(one: Account, severity: str | None = None) -> list[At]:
    """Return the published hotfixes that a site lacks, those of one severity or all."""
    return [
        at for at in one.of_state(*MISSING) if at.revision.state is State.PUBLISHED and severity in (None, at.severity)
    ]


def recalled(one: Account) -> list[At]:
    """Return the recalled ones that are still there."""
    return one.of_state(HotfixState.RECALLED_THERE)


def steps(one: Account) -> list[Step]:
    """Tell what a site should do next."""
    return [*_urgent(one), *_ordinary(one)]


def _urgent(one: Account) -> Iterable[Step]:
    level = one.level
    for at in recalled(one):
        yield Step("bad", f"Take {at.revision.label} back: it was recalled and is still there")
    if level.contested:
        yield Step("bad", "Find out which copy is the site: a restored or cloned one reports beside it")
    if level.baseline is None:
        yield Step("warn", "Ask for a report: nothing is known of what is there")
    if level.unfinished:
        yield Step("warn", "Let them run patchline-site status: a change was cut off there")
    for at in missing(one, CRITICAL):
        yield Step("bad", f"{_take(at)}: critical, {at.title}")


def _ordinary(one: Account) -> Iterable[Step]:
    for at in one.of_state(HotfixState.PENDING):
        yield Step("warn", f"Restart what runs there: it does not use {at.revision.label} yet")
    for at in missing(one):
        if at.severity != CRITICAL:
            yield Step("busy", f"{_take(at)}: {at.severity}, {at.title}")
    for mark in one.unsolved:
        until = f"; until then: {mark.workaround}" if mark.workaround else ""
        yield Step("off", f"No fix yet for {mark.issue}, {mark.title}{until}")


def _take(at: At) -> str:
    verb = "Apply" if at.state in (HotfixState.DOWNLOADED, HotfixState.ROLLED_BACK) else "Fetch and apply"
    if at.state is HotfixState.APPLICABLE and at.judged.why:
        return f"{at.revision.label} is for them and not to be had yet ({at.judged.why})"
    return f"{verb} {at.revision.label}"
