"""`patchline report`: what sites say of themselves, taken in."""

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click

from patchline.patches.errors import PatchlineError, ReportError
from patchline.patches.files import read_file
from patchline.patches.limits import LIMITS
from patchline.patches.progress import progress
from patchline.patches.terminal import example, json_option, report
from patchline.patches.wording import counted
from patchline.releaser.commands.options import clock, register_options, the_person, the_register
from patchline.releaser.commands.site_keep import taken_words
from patchline.releaser.documents.customers import key_document
from patchline.releaser.fleet.enrolling import Key, is_enrolment, take
from patchline.releaser.fleet.reading import MOST_BYTES
from patchline.releaser.fleet.reports import receive_all
from patchline.releaser.fleet.taking import Taken
from patchline.releaser.fleet.verdicts import Verdict
from patchline.releaser.register import Register

_LISTED = 20

Outcome = Taken | Key | PatchlineError
"""What became of a file: a report, a site's key, or neither."""


@click.group("report", epilog=example("patchline report import report.json"))
def report_group() -> None:
    """Take in what sites say of themselves."""


@report_group.command(
    "import",
    epilog=example(
        "patchline report import report.json                     as patchline-site wrote it",
        "patchline report import -                               the text of a mail, pasted; end with Ctrl-D",
        "patchline report import inbox/ --as sam                 every file of a folder",
        "patchline report import report.json --site acme-plant   the first one of a site that has no key yet",
    ),
)
@click.argument("files", metavar="FILE...|-", type=click.Path(path_type=Path, allow_dash=True), nargs=-1, required=True)
@click.option("--site", metavar="SITE", help="Whose they are, where the register does not know their identity yet.")
@register_options
@json_option
def import_command(files: tuple[Path, ...], site: str | None) -> None:
    """Take reports that were carried by hand: files, folders of them, or the text of a mail.

    The same report brought again changes nothing, so after an interruption bring all of them again. What
    patchline-site enrol wrote is taken too, before the reports.
    """
    given = list(_names(files))
    found: list[tuple[str, Outcome]] = []
    enrolments = {name for name in given if _enrols(name)}
    names = [name for name in given if name not in enrolments]
    with the_register() as register, progress("taking reports", len(names), unit="items") as advance:
        found += [(str(name), _enrol(register, name, site)) for name in sorted(enrolments)]
        for one in receive_all(register, ((str(name), _content(name)) for name in names), the_person(), clock(), site):
            found.append(one)
            advance(1)
    if len(found) == 1 and isinstance(found[0][1], PatchlineError):
        raise found[0][1]
    refused = [(name, one) for name, one in found if isinstance(one, PatchlineError)]
    document = {
        "reports": [
            {"file": name, **(one.as_document() if isinstance(one, Taken) else {"verdict": None, **one.as_document()})}
            for name, one in found
            if not isinstance(one, Key)
        ],
        "enrolled": [{"file": name, **key_document(one)} for name, one in found if isinstance(one, Key)],
        "counts": _counts(found),
    }
    report(document, "\n".join(_lines(found)))
    if refused:
        click.get_current_context().exit(ReportError.exit_code)


def _names(files: tuple[Path, ...]) -> Iterator[Path]:
    for file in files:
        if str(file) != "-" and file.is_dir():
            yield from sorted(one for one in file.iterdir() if one.is_file())
        else:
            yield file


def _enrols(name: Path) -> bool:
    """Tell whether a file is the enrolment of a site's key."""
    try:
        small = name.is_file() and name.stat().st_size <= LIMITS.key_file
        return small and is_enrolment(name.read_bytes())
    except OSError:
        return False


def _enrol(register: Register, name: Path, site: str | None) -> Outcome:
    try:
        data = read_file(name, limit=LIMITS.key_file)
        with register.attempt("site.enrol", site or name.name, the_person(), clock()) as change:
            return take(change, data, site)
    except PatchlineError as error:
        return error


def _content(name: Path) -> bytes | PatchlineError:
    if str(name) == "-":
        return sys.stdin.buffer.read(MOST_BYTES + 1)
    try:
        return read_file(name, limit=MOST_BYTES)
    except PatchlineError as error:
        return error


def _counts(found: list[tuple[str, Outcome]]) -> dict[str, int]:
    return dict(Counter(_count(one) for _, one in found))


def _count(one: Outcome) -> str:
    if isinstance(one, Taken):
        return str(one.verdict)
    return "enrolled" if isinstance(one, Key) else one.code


def _lines(found: list[tuple[str, Outcome]]) -> Iterator[str]:
    few = len(found) <= _LISTED
    for name, one in found:
        if isinstance(one, PatchlineError):
            yield f"{name}: NOT TAKEN: {one.message}"
        elif isinstance(one, Key):
            yield taken_words(one)
        elif few or one.verdict is not Verdict.ACCEPTED:
            yield str(one) if few else f"{name}: {one}"
    if not few:
        told = ", ".join(f"{count} {what}" for what, count in sorted(_counts(found).items()))
        yield f"{counted(len(found), 'report')}: {told}"
