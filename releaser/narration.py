"""Telling what people do at their machines: each command as they type it, and what it answered, shortened."""

import shlex
from collections.abc import Callable, Sequence

import click

_WIDTH = 116


class Narrator:
    """Tells a story line by line.

    Attributes:
        steps: every command that was told: who, what, exit code, seconds.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        """Take the function that prints a text for people."""
        self._say = say
        self.steps: list[dict[str, object]] = []

    def chapter(self, title: str) -> None:
        """Begin something new."""
        self._say("\n" + click.style(title, bold=True))

    def tell(self, text: str) -> None:
        """Say a sentence."""
        self._say(text)

    def command(self, who: str, words: Sequence[str], redirected: str | None = None) -> None:
        """Show a command as its person types it; words that belong to the shell are given as `redirected`."""
        line = shlex.join(words) + (f" {redirected}" if redirected else "")
        self._say(f"{click.style(who + '$', fg='cyan')} {line}")

    def answer(self, text: str, lines: int) -> None:
        """Show what a command printed: its first lines or, given a negative number, its last ones."""
        given = text.rstrip("\n").splitlines()
        left_out = f"    … {len(given) - abs(lines)} more lines"
        if lines < 0 and -lines < len(given):
            self._say(left_out)
        for line in given[lines:] if lines < 0 else given[:lines]:
            self._say("    " + (line if len(line) <= _WIDTH else line[: _WIDTH - 1] + "…"))
        if 0 < lines < len(given):
            self._say(left_out)

    def ended(self, who: str, words: Sequence[str], code: int, seconds: float) -> None:
        """Note how a command ended."""
        self.steps.append({"who": who, "command": shlex.join(words), "exit_code": code, "seconds": round(seconds, 2)})
