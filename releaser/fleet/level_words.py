"""Levels and what follows from them, for people and as documents."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import click

from patchline.patches.statements import time_text
from patchline.patches.wording import counted
from patchline.releaser.fleet.accounts import Account, At
from patchline.releaser.fleet.hotfix_states import HotfixState
from patchline.releaser.fleet.levels import Level, There, When
from patchline.releaser.fleet.words import known, known_document, span
from patchline.releaser.tables.customers import Customer, Declared

_COLOURS = {
    HotfixState.RECALLED_THERE: "red",
    HotfixState.APPLIED: "green",
    HotfixState.PENDING: "yellow",
    HotfixState.ROLLED_BACK: "yellow",
}
_STATES = max(len(state) for state in HotfixState)


def level_line(level: Level, when: When) -> str:
    """Return a level with its evidence and age in one line; the one form wherever a level stands."""
    return f"{level.label or 'unknown'}  {known(level.evidence, level.as_of, when.now)}"


def customer_text(customer: Customer, found: Sequence[Account], when: When) -> str:
    """Return all sites of a customer."""
    lines = [f"{click.style(customer.id, bold=True)}  {customer.title}  {customer.tier}{_asked(when)}"]
    width = max((len(one.level.site.name) for one in found), default=0)
    for one in found:
        lines.append(f"{one.level.site.name:<{width}}  {level_line(one.level, when)}")
        lines += [f"{'':<{width}}    {told}" for told in [", ".join(_marks(one))] if told]
    return "\n".join(lines if found else [*lines, "no site"])


def site_text(customer: Customer, one: Account, when: When) -> str:
    """Return a site with everything that is known of it."""
    level = one.level
    site = level.site
    lines = [f"{click.style(site.name, bold=True)}  {customer.id}  {site.product}  {site.environment}{_asked(when)}"]
    lines.append(f"level     {level.label or 'unknown'}")
    lines.append(f"known     {known(level.evidence, level.as_of, when.now)}")
    if level.later is not None and level.later != level.as_of:
        lines.append(f"          and what a report of {level.later:%Y-%m-%d} says of the time before it")
    if marks := _behind(one, ""):
        lines.append(f"behind    {marks}")
    lines += [f"but       {told}" for told in _doubts(level)]
    lines += [f"since     {_declared_line(event)}" for event in level.declared]
    lines += _hotfix_lines(one)
    if one.unsolved:
        lines.append("affected, no fix yet")
    for mark in one.unsolved:
        told = f"; until then: {mark.workaround}" if mark.workaround else ""
        why = f" ({mark.status}{': ' + mark.reason if mark.reason else ''})"
        lines.append(f"  {mark.issue}  {mark.severity}  {mark.title}{why}{told}")
    return "\n".join(lines)


def _asked(when: When) -> str:
    told = [f"as it was on {when.at:%Y-%m-%d}"] if when.at else []
    told += [f"as we knew on {when.known_at:%Y-%m-%d}"] if when.known_at else []
    return f"  ({', '.join(told)})" if told else ""


def _hotfix_lines(one: Account) -> Iterator[str]:
    rows = [(at.revision.label, at.state.value, _told(at), at.state) for at in one.hotfixes]
    width = max((len(row[0]) for row in rows), default=0)
    for name, state, told, colour in rows:
        yield f"  {name:<{width}}  {click.style(f'{state:<{_STATES}}', fg=_COLOURS.get(colour))}  {told}".rstrip()
    for other in one.level.unknown:
        yield f"  {other.label:<{width}}  {'unknown to the register':<{_STATES}}  {_since(other)}".rstrip()


def _told(at: At) -> str:
    return "; ".join(part for part in (_since(at.there), at.judged.why, f"{at.severity}: {at.title}") if part)


def _since(there: There | None) -> str:
    if there is None or there.at is None:
        return ""
    pending = ", running processes do not use it yet" if there.pending else ""
    gone = f", gone by {there.gone_by:%Y-%m-%d}" if there.gone_by else ""
    return f"since {there.at:%Y-%m-%d}{pending}{gone}"


def _marks(one: Account) -> Iterator[str]:
    for state in (HotfixState.RECALLED_THERE, HotfixState.PENDING):
        if count := len(one.of_state(state)):
            yield f"{count} {state}"
    if behind := _behind(one):
        yield behind
    if one.unsolved:
        yield f"{counted(len(one.unsolved), 'issue')} without a fix"
    yield from _doubts(one.level)
    yield from (_declared_line(event) for event in one.level.declared)


def _behind(one: Account, word: str = " behind") -> str:
    told = [f"{counted(one.behind, 'hotfix', 'hotfixes')}{word}"] if one.behind else []
    told += [f"{span(one.relative_age)} older than what there is"] if one.relative_age else []
    return ", ".join([*told, *([counted(one.newer_baselines, "newer baseline")] if one.newer_baselines else [])])


def _doubts(level: Level) -> Iterator[str]:
    if level.contested:
        yield "contested: a restored or cloned site reports beside it"
    if level.unfinished:
        yield "a change was cut off there"
    if level.drift:
        yield f"{counted(level.drift, 'file')} not as expected"
    if level.unknown:
        yield f"{counted(len(level.unknown), 'hotfix', 'hotfixes')} unknown to the register"


def _declared_line(event: Declared) -> str:
    return f"{event.at:%Y-%m-%d} {event.kind} declared: {event.text}"


# Documents


def level_document(level: Level, when: When) -> dict[str, Any]:
    """Return a level for `--json`."""
    return {
        "site": level.site.name,
        "customer": level.site.customer,
        "product": level.site.product,
        "environment": level.site.environment,
        "baseline": level.baseline,
        "level": level.label,
        "digest": level.digest,
        "known": known_document(level.evidence, level.as_of, when.now),
        "later_report": _text(level.later),
        "contested": level.contested,
        "unfinished": level.unfinished,
        "drift": level.drift,
        "unknown_hotfixes": [one.label for one in level.unknown],
        "declared_since": [
            {"at": time_text(one.at), "kind": one.kind, "text": one.text, "reference": one.reference}
            for one in level.declared
        ],
    }


def account_document(one: Account, when: When) -> dict[str, Any]:
    """Return a site for `--json`."""
    return {
        **level_document(one.level, when),
        "behind": one.behind,
        "newer_baselines": one.newer_baselines,
        "relative_age_days": one.relative_age,
        "hotfixes": [_at_document(at) for at in one.hotfixes],
        "no_fix_yet": [
            {
                "issue": mark.issue,
                "title": mark.title,
                "severity": mark.severity,
                "cve": sorted(mark.cve),
                "status": mark.status,
                "reason": mark.reason,
                "workaround": mark.workaround,
            }
            for mark in one.unsolved
        ],
    }


def _at_document(at: At) -> dict[str, Any]:
    there = at.there
    return {
        "hotfix": at.revision.hotfix,
        "revision": at.revision.number,
        "state": at.state.value,
        "why": at.judged.why or None,
        "title": at.title,
        "severity": at.severity,
        "kind": at.kind,
        "fixes": sorted(at.revision.fixes),
        "published": _text(at.published),
        "applied": _text(there.at) if there else None,
        "pending": there.pending if there else None,
        "gone_by": _text(there.gone_by) if there else None,
    }


def _text(moment: datetime | None) -> str | None:
    return time_text(moment) if moment is not None else None
