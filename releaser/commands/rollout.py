"""`patchline rollout`: how a hotfix goes out in stages."""

from collections.abc import Callable
from typing import Any

import click

from patchline.patches.errors import UsageError
from patchline.patches.terminal import confirm, example, json_option, note, report, yes_option
from patchline.patches.wording import counted
from patchline.releaser.commands.options import (
    attempt,
    change,
    clock,
    home_option,
    register_options,
    the_register,
)
from patchline.releaser.documents.rollouts import rollout_document, target_document
from patchline.releaser.fleet.words import as_of
from patchline.releaser.rollouts import acknowledging, advancing, life
from patchline.releaser.rollouts.targets import Count, Measured, Stand, listed, measure
from patchline.releaser.states import State
from patchline.releaser.tables.rollouts import RolloutStage

_COLOURS = {Stand.APPLIED: "green", Stand.FAILED: "red", Stand.ROLLED_BACK: "red", Stand.UNKNOWN: "yellow"}
_DEFAULTS = life.Settings()


@click.group(epilog=example("patchline rollout plan HF-2026-0012 --site acme-test --automatic"))
def rollout() -> None:
    """Let hotfixes go out in stages: named sites, rings, everyone."""


@rollout.command(
    epilog=example("patchline rollout plan HF-2026-0012 --site acme-test --automatic --soak 48 --success 95")
)
@click.argument("identifier", metavar="ID")
@click.option("--site", "sites", multiple=True, metavar="SITE", help="A site of the first stage; several.")
@click.option("--automatic", is_flag=True, help="Open stages without asking, once soak time and success are reached.")
@click.option(
    "--soak",
    "soak_hours",
    type=int,
    default=_DEFAULTS.soak_hours,
    show_default=True,
    metavar="HOURS",
    help="How long a site must have had it to count.",
)
@click.option(
    "--success",
    "success_percent",
    type=int,
    default=_DEFAULTS.success_percent,
    show_default=True,
    metavar="PERCENT",
    help="Share of a stage's sites that must have had it for the soak time.",
)
@click.option(
    "--errors",
    "error_limit",
    type=int,
    default=_DEFAULTS.error_limit,
    show_default=True,
    metavar="SITES",
    help="With errors at more sites it pauses.",
)
@click.option(
    "--silence",
    "silence_hours",
    type=int,
    default=_DEFAULTS.silence_hours,
    show_default=True,
    metavar="HOURS",
    help="A site that says nothing for so long is silent.",
)
@click.option(
    "--silent",
    "silence_limit",
    type=int,
    default=_DEFAULTS.silence_limit,
    show_default=True,
    metavar="SITES",
    help="With more silent sites it pauses, before its last stage.",
)
@register_options
@json_option
def plan(identifier: str, sites: tuple[str, ...], **given: Any) -> None:
    """Plan the stages of a hotfix; it reaches nobody before it is started."""
    with attempt("rollout.plan", identifier) as changing:
        planned = life.plan(changing, identifier, life.Settings(**given), sites)
        found = life.the_rollout(changing.session, identifier)
        counts = found.measured(changing)
        shown = rollout_document(found, counts), _text(found, counts)
    for ring in planned.left_out:
        note(f"ring {ring} has no site that {found.label} is for; it is left out")
    report({**shown[0], "left_out": list(planned.left_out)}, shown[1])


def _told(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what all commands have that change a rollout."""
    return register_options(json_option(command))


@rollout.command(epilog=example("patchline rollout start HF-2026-0012"))
@click.argument("identifier", metavar="ID")
@yes_option
@_told
def start(identifier: str) -> None:
    """Open the first stage, or let a paused one go on as it stands."""
    _ask(identifier, "Start it?")
    _do("start", identifier, life.start)


@rollout.command(epilog=example("patchline rollout promote HF-2026-0012"))
@click.argument("identifier", metavar="ID")
@yes_option
@_told
def promote(identifier: str) -> None:
    """Open the next stage, having seen how the ones before stand."""
    _ask(identifier, "Open the next stage?")
    _do("promote", identifier, life.promote)


@rollout.command(epilog=example("patchline rollout pause HF-2026-0012 --reason 'look at acme'"))
@click.argument("identifier", metavar="ID")
@click.option("--reason", required=True, help="Why.")
@_told
def pause(identifier: str, reason: str) -> None:
    """Let nobody new be reached for the time being."""
    _do("pause", identifier, life.pause, reason)


@rollout.command(epilog=example("patchline rollout stop HF-2026-0012 --reason 'r2 is better'"))
@click.argument("identifier", metavar="ID")
@click.option("--reason", required=True, help="Why.")
@_told
def stop(identifier: str, reason: str) -> None:
    """Let nobody new be reached for good."""
    _do("stop", identifier, life.stop, reason)


@rollout.command(epilog=example("patchline rollout problem HF-2026-0012 acme-prod --reason 'orders get lost'"))
@click.argument("identifier", metavar="ID")
@click.argument("site", metavar="SITE")
@click.option("--reason", required=True, help="What was told.")
@_told
def problem(identifier: str, site: str, reason: str) -> None:
    """Write down that it does harm at a site, or does not go in; it counts as an error."""
    _do("problem", identifier, life.tell_problem, site, reason)


@rollout.command(epilog=example("patchline rollout advance"))
@register_options
@json_option
def advance() -> None:
    """Do what follows by itself for every rollout: stop, pause, open the next stage. For a timer."""
    with change() as changing:
        moved = advancing.advance(changing, changing.now)
    document = [{"revision": one.label, "state": one.state, "stage": one.stage, "why": one.why} for one in moved]
    report(document, "\n".join(f"{one.label}  {one.state}, stage {one.stage}: {one.why}" for one in moved))


@rollout.command(epilog=example("patchline rollout show HF-2026-0012 --sites failed"))
@click.argument("identifier", metavar="ID")
@click.option(
    "--sites",
    "stands",
    multiple=True,
    type=click.Choice([stand.value for stand in Stand]),
    help="List the sites that stand so.",
)
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="So many sites.")
@click.option("--after", default="", metavar="SITE", help="Go on after this site.")
@home_option
@json_option
def show(identifier: str, stands: tuple[str, ...], limit: int, after: str) -> None:
    """Show how many sites stand how, by stage, and how we know."""
    with the_register() as register, register.read() as session:
        found = life.the_rollout(session, identifier)
        counts = measure(session, found.rollout, found.aimed, clock())
        rows = (
            listed(session, found.rollout, found.aimed, clock(), [Stand(one) for one in stands], limit, after)
            if stands
            else []
        )
        recalled = State(found.revision.state) is State.RECALLED
        running = acknowledging.still_there(session, found.revision) if recalled else []
    document = {**rollout_document(found, counts), "sites": [target_document(row) for row in rows]}
    document |= {"acknowledgements": [one.as_document() for one in running]} if recalled else {}
    lines = [_text(found, counts), *(f"{row.name}  {row.stand}  {as_of(row.evidence, row.as_of)}" for row in rows)]
    report(document, "\n".join([*lines, *(one.words() for one in running)]))


def _ask(identifier: str, question: str) -> None:
    """Show a person how it stands before they decide."""
    with the_register() as register, register.read() as session:
        found = life.the_rollout(session, identifier)
        note(_text(found, measure(session, found.rollout, found.aimed, clock())))
    if not confirm(question):
        raise UsageError("declined", "nothing was changed")


def _do(name: str, identifier: str, action: Callable[..., Measured], *given: Any) -> None:
    with attempt(f"rollout.{name}", identifier) as changing:
        counts = action(changing, identifier, *given)
        found = life.the_rollout(changing.session, identifier)
        shown = rollout_document(found, counts), _text(found, counts)
    report(*shown)


def _text(found: life.Found, counts: Measured) -> str:
    one = found.rollout
    why = f": {one.reason}" if one.reason else ""
    lines = [f"{click.style(found.label, bold=True)}  {one.state}{why}"]
    for stage in counts.stages:
        name = {"named": "named sites", "everyone": "everyone"}.get(stage.kind, f"ring {stage.ring}")
        opened = f"open since {stage.opened:%Y-%m-%d %H:%M}" if stage.opened else "not open"
        lines.append(f"stage {stage.number}, {name}: {opened}, {_soak(counts, stage)}")
        lines += [f"  {_count(row)}" for row in counts.counts if row.stage == stage.number]
        if silent := counts.silent.get(stage.number):
            lines.append(click.style(f"  silent for {one.silence_hours} hours: {counted(silent, 'site')}", fg="yellow"))
    how = f"by itself at {one.success_percent} %" if one.automatic else "by a person"
    return "\n".join([*lines, f"the next stage opens {how}; soak time {counted(one.soak_hours, 'hour')}"])


def _soak(counts: Measured, stage: RolloutStage) -> str:
    have, of = counts.soaked(stage.number)
    return f"{have} of {counted(of, 'site')} had it for the soak time" if of else "no site needs it"


def _count(one: Count) -> str:
    stand = click.style(f"{one.stand:<16}", fg=_COLOURS.get(one.stand))
    return f"{stand}{one.sites:>8,}  {as_of(one.evidence, one.oldest)}"
