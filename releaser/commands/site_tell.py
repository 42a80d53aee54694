"""`patchline site tell`, `accept-restore` and `split`: what people say of a site's level, and of its copies."""

from datetime import datetime

import click

from patchline.patches.statements import time_text
from patchline.patches.terminal import example, json_option, report
from patchline.releaser.commands.options import attempt, register_options
from patchline.releaser.fleet import restored, telling
from patchline.releaser.fleet.telling import read_time
from patchline.releaser.fleet.words import as_of
from patchline.releaser.tables.fleet import EvidenceGrade


@click.command(
    epilog=example(
        "patchline site tell acme-main --level '4.1.2+HF-2026-0012-r1' --code 8PY3-7QEN-HF1S --by 'Jo Smith'",
        "patchline site tell acme-main --baseline 4.1.2 --hotfix HF-2026-0012 --by 'Jo Smith' --at 2026-03-03",
    )
)
@click.argument("name", metavar="SITE")
@click.option("--level", "label", metavar="LABEL", help="The level, as patchline-site inventory shows it.")
@click.option("--baseline", metavar="V", help="The baseline; with --hotfix what is applied on it.")
@click.option("--hotfix", "hotfixes", metavar="ID", multiple=True, help="Applied, with -rN for a revision; several.")
@click.option("--code", metavar="XXXX-XXXX-XXXX", help="The level's code, as they read it out.")
@click.option("--by", "told_by", required=True, metavar="PERSON", help="Who told it, a name of the customer's.")
@click.option("--at", metavar="TIME", help="When it was so, 2026-03-03 or 2026-03-03T14:00+01:00; default: now.")
@register_options
@json_option
def tell(
    name: str,
    label: str | None,
    baseline: str | None,
    hotfixes: tuple[str, ...],
    code: str | None,
    told_by: str,
    at: str | None,
) -> None:
    """Keep what somebody told of a site's level by phone or mail; their code says whether it was heard right."""
    with attempt("site.tell", name) as change:
        moment: datetime = change.now if at is None else read_time(at)
        wanted = telling.Wanted(told_by, moment, label, baseline, hotfixes, code)
        told, verdict = telling.tell(change, name, wanted)
    grade = EvidenceGrade.TOLD_WITH_CODE if told.code else EvidenceGrade.TOLD
    document = {
        "site": told.site,
        "verdict": verdict,
        "evidence": grade,
        "baseline": told.baseline,
        "level": told.label,
        "digest": told.digest,
        "code": told.code,
        "hotfixes": [one.label for one in told.hotfixes],
        "told_by": told.by,
        "at": time_text(told.at),
    }
    line = f"{told.site}: {told.label} {as_of(grade, told.at)}"
    report(document, line if verdict == "accepted" else f"{line}; {verdict.words}")


@click.command("accept-restore", epilog=example("patchline site accept-restore acme-main"))
@click.argument("name", metavar="SITE")
@register_options
@json_option
def accept_restore(name: str) -> None:
    """Say that a site was restored from a backup: what it reported last is what it has."""
    with attempt("site.accept-restore", name) as change:
        decided = restored.accept_restore(change, name)
    report({"site": name, "level": decided.level}, f"{name}: {decided.level}; what else reported as it is set aside")


@click.command(epilog=example("patchline site split acme-main acme-copy"))
@click.argument("name", metavar="SITE")
@click.argument("new", metavar="NEW")
@register_options
@json_option
def split(name: str, new: str) -> None:
    """Say that a site was cloned: what reports beside it is NEW, a site that the register knows already."""
    with attempt("site.split", name) as change:
        decided = restored.split(change, name, new)
    document = {"site": name, "level": decided.level, "new": new, "new_level": decided.level_of_copy}
    report(document, f"{name}: {decided.level}\n{new}: {decided.level_of_copy}")
