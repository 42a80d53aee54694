import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from tests.programs import PROGRAMS

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" not in target:
            path, _, heading = target.partition("#")
            goal = page.parent / path if path else page
            assert goal.exists(), target
            assert not heading or heading in {anchor(line) for line in goal.read_text().splitlines()}, target


def anchor(line):
    return re.sub(r"[^\w\- ]", "", line.lstrip("# ").lower()).replace(" ", "-") if line.startswith("#") else None


def test_error_codes_in_the_format_document_exist():
    text = (ROOT / "docs" / "bundle-format.md").read_text()
    listed = (ROOT / "docs" / "errors.md").read_text()
    families = set(re.findall(r"\| `([a-z-]+)\.[a-z0-9-]+` \|", listed))
    codes = {code for code in re.findall(r"`([a-z-]+\.[a-z0-9-]+)", text) if code.partition(".")[0] in families}
    files = {"manifest.json", "trust.json"}
    assert {code for code in codes - files if code + "`" not in listed and not code.endswith("-")} == set()


THREATS = (ROOT / "docs" / "threat-model.md").read_text()


def proofs(text):
    return re.findall(r"\[(test_\w+)\]\(([^)]+)\)", text)


def section(heading):
    return THREATS.split(f"\n## {heading}")[1].split("\n## ")[0]


def test_every_proof_of_the_threat_model_is_a_test_of_that_name():
    assert len(proofs(THREATS)) > 80
    for name, path in proofs(THREATS):
        assert f"def {name}(" in (ROOT / "docs" / path).read_text(), f"{path} has no {name}"


def test_every_guarantee_and_every_adversary_has_a_proof():
    guarantees = [line for line in section("Guarantees").splitlines() if line.startswith("- ")]
    rows = [line for line in section("What an adversary").splitlines() if line.startswith("| ")][1:]
    assert len(guarantees) > 30 and len(rows) > 15
    assert [line for line in guarantees + rows if not proofs(line)] == []


def test_every_promise_of_lending_has_a_test_of_that_name():
    part = (ROOT / "docs" / "vault.md").read_text().split("\n## What lending promises\n")[1].split("\n## ")[0]
    promises = [line for line in part.splitlines() if line.startswith("- ")]
    assert len(promises) >= 20 and [line for line in promises if not proofs(line)] == []
    for name, path in proofs(part):
        assert f"def {name}(" in (ROOT / "docs" / path).read_text(), f"{path} has no {name}"


def test_everything_that_is_played_as_not_prevented_is_told():
    played = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_not_prevented_\w+)\(", path.read_text(), re.MULTILINE)
    }
    told = {name for name, _ in proofs(section("Not prevented"))}
    assert played and played - told == set()


def test_everything_that_adversaries_try_stands_in_the_threat_model():
    told = {name for name, _ in proofs(THREATS)}
    for path in ("patches/test_adversaries.py", "journeys/test_operator.py"):
        tried = re.findall(r"^def (test_\w+)\(", (ROOT / "tests" / path).read_text(), re.MULTILINE)
        assert tried and set(tried) - told == set()


def test_decisions_are_numbered_without_gap_or_twin():
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [page.name[:4] for page in pages] == [f"{number:04}" for number in range(1, len(pages) + 1)]
    assert all(page.read_text().startswith(f"# {int(page.name[:4])}. ") for page in pages)


def test_generated_pages_follow_from_the_code():
    assert subprocess.run([sys.executable, ROOT / "docs" / "generate.py", "--check"], check=False).returncode == 0, (
        "docs/errors.md, docs/commands.md or docs/states.md is older than the code; write them anew by: make docs"
    )


def commands(command, words):
    """Yield every command below one, with the words that call it."""
    yield words, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from commands(command.get_command(context, name), (*words, name))


COMMANDS = {words: command for name, program in PROGRAMS.items() for words, command in commands(program, (name,))}


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example_that_it_understands(words):
    command = COMMANDS[words]
    assert command.help and command.get_short_help_str(), "no help"
    assert "Example:" in (command.epilog or ""), "no example"
    lines = [line.strip() for line in joined(command.epilog).splitlines() if line.strip().startswith("patchline")]
    assert lines and all(not wrong(line) for line in lines)
    assert any(tuple(line.split()[: len(words)]) == words for line in lines), "the example shows another command"
    for parameter in command.params:
        assert isinstance(parameter, click.Argument) or parameter.help or parameter.name in {"help"}, parameter.name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_that_a_page_names_exists(page):
    text = joined(page.read_text())
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    lines = [line.strip().removeprefix("$ ") for block in blocks for line in block.splitlines()]
    lines += re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))
    problems = {line: wrong(line) for line in lines if re.match(r"patchline(-site)?( |$)", line)}
    assert not {line: problem for line, problem in problems.items() if problem}


def joined(text):
    return re.sub(r"\\\n\s*", " ", text)


def wrong(line):
    """What is wrong with a command line of the docs: the first command or option that does not exist."""
    program, *rest = re.split(r" (?:\||>|<|&&|#) ", line)[0].split()
    command = PROGRAMS[program]
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        if not re.fullmatch(r"[a-z-]+", rest[0]):
            return None  # a placeholder such as `…`
        below = command.get_command(click.Context(command), rest[0])
        if below is None:
            return f"no command {rest[0]}"
        command, rest = below, rest[1:]
    known = {name for parameter in command.get_params(click.Context(command)) for name in parameter.opts}
    unknown = [
        word for word in rest if re.fullmatch(r"--[a-z-]+", word.split("=")[0]) and word.split("=")[0] not in known
    ]
    return f"no option {unknown[0]}" if unknown else None
