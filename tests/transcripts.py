"""Play the `console` blocks of a page and compare what the programs print with what the page says they print.

In a page
- `$ ` starts a command line, run by bash in one folder for the whole page; `\\` at its end goes on in the next line;
- `# Ada, on her own machine` in a block means that Ada types what follows: she has a home of her own;
- a command ends well, unless the page shows its `error: `;
- a line of output `…` stands for any lines, `…` inside a line for anything;
- fingerprints, digests, codes, ids and times differ each time: the first time one is seen in the output, the page's
  stands for the real one from then on, in commands too. Elsewhere the output must be exactly the page's.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

BLOCK = re.compile(r"^```console\n(.*?)^```", re.DOTALL | re.MULTILINE)
VARIABLE = re.compile(
    r"\b(?:[0-9A-Z]{5}(?:-[0-9A-Z]{5}){4}|[0-9A-Z]{4}(?:-[0-9A-Z]{4}){6}|[0-9A-Z]{4}(?:-[0-9A-Z]{4}){2}|[0-9a-f]{12,64}"
    r"|l[0-9][0-9a-hjkmnp-tv-z]{6}|C-20\d\d-\d{4}|20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|\+00:00))(?![0-9A-Za-z-])"
)
PERSON = re.compile(r"# (\w+)\b")


class Play:
    """One page being played in a folder."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder, self.person = folder, "somebody"
        self.cwd = folder
        self.real: dict[str, str] = {}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
        self.environment = {**inherited, **environment}
        self.environment["PATH"] = f"{Path(sys.executable).parent}:{self.environment['PATH']}"

    def page(self, page: Path, *, after: str = "", until: str | None = None) -> int:
        """Play all blocks, or those after a heading or before one; returns how many commands were run."""
        text = page.read_text()
        for heading in filter(None, (after, until)):
            assert f"\n## {heading}\n" in text, f"{page.name} has no part {heading!r}"
        text = text.partition(f"\n## {after}\n")[2] if after else text
        text = text.partition(f"\n## {until}\n")[0] if until else text
        commands = [command for block in BLOCK.findall(text) for command in steps(block)]
        for line, expected in commands:
            if person := PERSON.match(line):
                self.person = person[1].lower()
            else:
                self._command(line, expected)
        return len(commands)

    def _command(self, line: str, expected: list[str]) -> None:
        for shown, real in self.real.items():
            line = line.replace(shown, real)
        home = self.folder / "homes" / self.person
        home.mkdir(parents=True, exist_ok=True)
        # The folder that a command leaves the shell in is where the next one starts.
        script = f"{line}\nended=$?\npwd > {self.folder}/homes/cwd\nexit $ended"
        done = subprocess.run(
            ["bash", "-c", script],
            check=False,
            cwd=self.cwd,
            env={**self.environment, "HOME": str(home)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.cwd = Path((self.folder / "homes" / "cwd").read_text().strip())
        problem = self._compare(expected, done.stdout.splitlines())
        if done.returncode and not any(line.startswith("error: ") for line in expected):
            problem = f"ended with {done.returncode}"
        assert problem is None, f"$ {line}\n{problem}\n--- printed\n{done.stdout}"

    def _compare(self, expected: list[str], printed: list[str]) -> str | None:
        """Match line by line; a lone `…` takes as few lines as it can."""
        if not expected:
            return f"the page does not show: {printed[0]}" if printed else None
        first, *rest = expected
        if first.strip() == "…":
            left = printed
            while (problem := self._compare(rest, left)) is not None and left:
                left = left[1:]
            return problem
        if not printed:
            return f"not printed: {first}"
        bound = self._match(first, printed[0])
        if bound is None:
            return f"expected: {first}\nprinted:  {printed[0]}"
        before = dict(self.real)
        self.real.update(bound)
        problem = self._compare(rest, printed[1:])
        if problem is not None:
            self.real = before
        return problem

    def _match(self, shown: str, printed: str) -> dict[str, str] | None:
        """Return what the page's variables stand for, None when the line is another one."""
        pattern, place, names = "", 0, []
        for token in re.finditer(f"{VARIABLE.pattern}|…", shown):
            pattern += re.escape(shown[place : token.start()])
            place = token.end()
            if token[0] == "…":
                pattern += ".*"
            elif token[0] in self.real:
                pattern += re.escape(self.real[token[0]])
            else:
                pattern += f"({VARIABLE.pattern})"
                names.append(token[0])
        found = re.fullmatch(pattern + re.escape(shown[place:]), printed)
        return None if found is None else dict(zip(names, found.groups(), strict=True))


def steps(block: str) -> list[tuple[str, list[str]]]:
    """Return the command lines and comments of a block, each with the output shown below it."""
    found: list[tuple[str, list[str]]] = []
    for line in re.sub(r"\\\n\s*", "", block).splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif line.startswith("# "):
            found.append((line, []))
        elif line.strip():
            found[-1][1].append(line)
    return found
