"""`patchline doctor`: what is wrong, or about to be, with a home."""

from datetime import datetime

import click

from patchline.patches.errors import SettingsError
from patchline.patches.terminal import example, json_option, report
from patchline.patches.wording import counted
from patchline.releaser import doctor as examination
from patchline.releaser.commands.options import clock, home_option, the_home
from patchline.releaser.doctor import Health
from patchline.releaser.documents.office import health_document
from patchline.releaser.register import opened


@click.command(epilog=example("patchline doctor"))
@home_option
@json_option
@click.pass_context
def doctor(context: click.Context) -> None:
    """Look for what is missing, unsafe or about to expire; ends with 10 when there is something to mend."""
    now = clock()
    with opened(the_home(), any_schema=True) as register:
        health = examination.examine(register, now)
    report(health_document(health), "\n".join(_words(health, now)))
    if health.findings:
        context.exit(SettingsError.exit_code)


def _words(health: Health, now: datetime) -> list[str]:
    lines = []
    for finding in health.findings:
        lines += [f"{finding.code}: {finding.message}", f"    {finding.hint}"]
    lines.append(counted(len(health.findings), "finding") if health.findings else "nothing to mend")
    if health.expiries:
        soonest = sorted(health.expiries.items(), key=lambda one: one[1])
        lines += [
            "",
            "expires",
            *(f"  {role:10} {when:%Y-%m-%d}, in {counted((when - now).days, 'day')}" for role, when in soonest),
        ]
    if health.losses:
        lines += ["", "what losing a key would mean", *(f"  {loss}" for loss in health.losses)]
    return lines
