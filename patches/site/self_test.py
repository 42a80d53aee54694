"""`patchline-site self-test`: shows that the client does its work on this machine, without touching a site."""

import tempfile
from pathlib import Path

import click

from patchline.patches.errors import SettingsError
from patchline.patches.site.rehearsal import Finding, rehearse
from patchline.patches.terminal import example, json_option, report


@click.command("self-test", epilog=example("patchline-site self-test --folder /opt/shop"))
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Try the disk of this folder; a temporary one is made in it and removed.",
)
@json_option
def self_test(folder: Path | None) -> None:
    """Verify, apply, kill, recover and roll back a sample in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="patchline-self-test-", dir=folder) as own:
        findings = list(rehearse(Path(own)))
    passed = all(finding.passed for finding in findings)
    document = {
        "passed": passed,
        "findings": [{"name": one.name, "passed": one.passed, "detail": one.detail} for one in findings],
    }
    report(document, "\n".join(map(_line, findings)))
    if not passed:
        raise click.exceptions.Exit(SettingsError.exit_code)


def _line(finding: Finding) -> str:
    word = click.style("ok    ", fg="green") if finding.passed else click.style("FAILED", fg="red", bold=True)
    return f"{word}  {finding.name}: {finding.detail}"
