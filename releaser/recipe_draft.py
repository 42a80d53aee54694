"""A commented recipe made from what differs, for a person to finish."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from patchline.patches import identifiers
from patchline.patches.wording import counted
from patchline.releaser.git_objects import Commit
from patchline.releaser.git_store import GitStore
from patchline.releaser.globs import any_matches
from patchline.releaser.home import mirror_folder
from patchline.releaser.trees import Difference, Roots, compare_commits

_CONFIG = ("*.conf", "*.cfg", "*.ini", "*.properties", "*.yaml", "*.yml", "*.env", "etc/**", "conf/**", "config/**")
_ASSET = ("*.png", "*.jpg", "*.gif", "*.svg", "*.ico", "*.css", "*.woff", "*.woff2", "*.ttf", "*.html")
_SHOWN = 500
_COMMIT = re.compile(r"(?=.*[a-f])[0-9a-f]{7,64}")


@dataclass(frozen=True)
class Draft:
    """A recipe to be edited; `fixes` are the ids that commits name."""

    text: str
    paths: tuple[str, ...]
    fixes: tuple[str, ...]


def draft_recipe(repo: Path, base: str, head: str) -> Draft:
    """Write a recipe for what differs between two refs.

    Raises:
        GitError: a ref or the repository cannot be used.
        BuildError: a name cannot be carried.
    """
    with GitStore(repo, mirror_folder(str(repo.resolve()))) as store:
        old, new = store.resolve(base), store.resolve(head)
        differences = compare_commits(store, old.tree, new.tree)
        commits = store.history(old, new).commits
    roots = Roots({"app": ""})
    paths = [place[1] for item in differences if (place := roots.place(item.path)) is not None]
    named = {fix for commit in commits for fix in commit.fixes if _is_fix(fix)}
    fixes = tuple(sorted(named))
    lines = [*_head(base, head), *_fixes(fixes, commits), *_classes(paths), *_FURTHER, *_changes(differences)]
    return Draft("\n".join(lines) + "\n", tuple(paths), fixes)


def _is_fix(text: str) -> bool:
    """Tell an id of a tracker from the id of another commit, which some projects name in the same trailer."""
    return bool(identifiers.FIX.fullmatch(text)) and not _COMMIT.fullmatch(text)


def _head(base: str, head: str) -> list[str]:
    return [
        f"# What people say about the hotfix from {base} to {head}. Options of the command line win over it.",
        "",
        '# title = ""                         # by default the title of the first fix',
        '# severity = "moderate"              # low, moderate, important, critical',
        '# kind = "one-off"                   # cumulative, diagnostic',
        '# platforms = ["linux"]              # windows, macos, unix',
        '# guidance = ["restart-service:NAME"]  # none, reload, restart-node, "manual:TEXT"',
        '# optional = ["plugins/NAME/**"]     # may be missing at a site',
        '# notes = """',
        '# """',
        "",
        "# Which folder of the repository lies in which root of the site; the whole repository is root app.",
        "# [roots]",
        '# app = "src"',
        '# etc = "conf"',
        "",
    ]


def _fixes(fixes: Sequence[str], commits: Sequence[Commit]) -> Iterator[str]:
    yield "# With one fix every path belongs to it. With several, commits (`Fixes: ID`) or paths say which."
    for identifier in fixes or ["BUG-1"]:
        subjects = [commit.subject for commit in commits if identifier in commit.fixes or not fixes]
        yield from (f"# {_comment(subject)}" for subject in subjects[:20])
        yield "[[fixes]]"
        yield f"id = {_quoted(identifier)}"
        yield f"title = {_quoted(subjects[0] if fixes else 'What was wrong, in words a customer understands')}"
        yield '# coverage = "full"                 # partial, workaround'
        yield '# symptom = ""'
        yield '# cause = ""'
        yield '# resolution = ""'
        yield '# cve = ["CVE-2026-0001"]'
        yield '# paths = ["lib/**"]'
        yield ""


def _classes(paths: Iterable[str]) -> Iterator[str]:
    paths = list(paths)
    config = [path for path in paths if any_matches(_CONFIG, "app", path)]
    asset = [path for path in paths if any_matches(_ASSET, "app", path)]
    yield "# A config file that the customer edited is kept. What no pattern matches is code. Guessed from the names:"
    lead = "" if config or asset else "# "
    yield f"{lead}[classes]"
    yield f"{'' if config else '# '}config = {_listed(config)}"
    yield f"{'' if asset else '# '}asset = {_listed(asset)}"
    yield ""


_FURTHER = (
    "# [[relations.requires]]",
    '# hotfix = "HF-2026-0001"',
    "# revision = 1",
    "",
    "# [[steps]]",
    '# id = "restart"',
    '# phase = "start"                    # stop, start, health, symptom',
    '# script = "restart.sh"              # beside this file',
    '# interpreter = "/bin/sh"',
    "# timeout_s = 60",
    "# idempotent = true",
    "",
    "# [scan]",
    '# names = "customers.txt"            # one name a line that must not appear in what is new',
    "",
)


def _changes(differences: Sequence[Difference]) -> Iterator[str]:
    yield f"# {counted(len(differences), 'changed path')}:"
    for item in differences[:_SHOWN]:
        sign = "+" if item.base is None else "-" if item.head is None else "~"
        yield f"#   {sign} {_comment(item.path.decode('utf-8', 'backslashreplace'))}"
    if len(differences) > _SHOWN:
        yield f"#   and {len(differences) - _SHOWN} more"


def _quoted(text: str) -> str:
    """Return a text as TOML; JSON's form is TOML's for everything but DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _listed(texts: Sequence[str]) -> str:
    return "[" + ", ".join(_quoted(text) for text in texts) + "]"


def _comment(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)
