"""What a revision does to each path, line by line where that can be shown. Bounded, and what is left out is said."""

import difflib
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from patchline.patches.manifest import Absent, File, FileEntry, Folder, Link, Manifest, State
from patchline.patches.wording import counted, readable_size
from patchline.releaser.summary import change_word

MOST_FILES = 200
MOST_LINES = 4000
_LINES_OF_FILE = 1500
_LONGEST_LINE = 400
_AROUND = 3


@dataclass(frozen=True)
class FileDifference:
    """What happens to one path.

    Attributes:
        change: `add`, `change` or `remove`.
        facts: what else is to be known, in words.
        lines: pairs of a sign (`+`, `-`, `@` or a space) and a text.
        note: why no lines are shown, None where they are.
    """

    name: str
    change: str
    facts: tuple[str, ...]
    lines: tuple[tuple[str, str], ...] = ()
    note: str | None = None


@dataclass(frozen=True)
class Differences:
    """What happens to the paths of a revision; `more` paths are not shown."""

    files: tuple[FileDifference, ...]
    more: int


def differences(manifest: Manifest, contents: Mapping[str, bytes]) -> Differences:
    """Return what a revision does to its paths.

    Args:
        manifest: of the revision.
        contents: what is at hand, by SHA-256; proved to be what it says.
    """
    left = MOST_LINES
    found = []
    for entry in manifest.files[:MOST_FILES]:
        one = _difference(entry, contents, left)
        left -= len(one.lines)
        found.append(one)
    return Differences(tuple(found), max(0, len(manifest.files) - MOST_FILES))


def _difference(entry: FileEntry, contents: Mapping[str, bytes], left: int) -> FileDifference:
    name, change, facts = shown(f"{entry.root}/{entry.path}"), change_word(entry), tuple(_facts(entry))
    before, after = _before(entry, contents), entry.post
    texts = _texts(before, after, contents)
    if isinstance(texts, str):
        return FileDifference(name, change, facts, note=texts)
    if before is None:
        return FileDifference(name, change, facts, note=_ABSENT_BEFORE)
    lines = tuple(_lines(*texts))
    if len(lines) > left:
        return FileDifference(name, change, facts, note=f"{counted(len(lines), 'line')}, more than fit here")
    return FileDifference(name, change, facts, lines)


_ABSENT_BEFORE = "what was there before is not at hand, so nothing can be compared"


def _facts(entry: FileEntry) -> Iterator[str]:
    if entry.file_class != "code":
        yield entry.file_class
    if entry.optional:
        yield "optional"
    if len(entry.pre) > 1:
        yield f"accepts {len(entry.pre)} states before"
    yield _state_words(entry.post)
    before = next((state for state in entry.pre if isinstance(state, File)), None)
    if isinstance(entry.post, File) and before is not None and before.executable != entry.post.executable:
        yield "becomes executable" if entry.post.executable else "is executable no more"
    yield from (", ".join(entry.fixes),) if entry.fixes else ()


def _state_words(state: State) -> str:
    if isinstance(state, File):
        return readable_size(state.size)
    if isinstance(state, Link):
        return f"link to {shown(state.target)}"
    return "folder" if isinstance(state, Folder) else "removed"


def _before(entry: FileEntry, contents: Mapping[str, bytes]) -> State | None:
    """Return the state before with which it is compared: one whose content is at hand."""
    for state in entry.pre:
        if isinstance(state, File) and state.sha256 in contents:
            return state
    return next((state for state in entry.pre if not isinstance(state, File)), None)


def _texts(before: State | None, after: State, contents: Mapping[str, bytes]) -> tuple[list[str], list[str]] | str:
    """Return the lines before and after, or why there are none."""
    if not isinstance(after, File | Absent) or isinstance(before, Folder | Link):
        return "no file of text"
    sides: list[list[str]] = []
    for state, missing in ((before, _ABSENT_BEFORE), (after, "too large to be shown here")):
        if not isinstance(state, File):
            sides.append([])
            continue
        data = contents.get(state.sha256)
        if data is None:
            return missing
        lines = _decoded(data)
        if lines is None:
            return "binary"
        if len(lines) > _LINES_OF_FILE:
            return f"{counted(len(lines), 'line')}, more than are compared here"
        sides.append(lines)
    return sides[0], sides[1]


def _decoded(data: bytes) -> list[str] | None:
    if b"\0" in data:
        return None
    try:
        return data.decode("utf-8").removesuffix("\n").split("\n") if data else []
    except UnicodeDecodeError:
        return None


def _lines(before: list[str], after: list[str]) -> Iterator[tuple[str, str]]:
    # The two lines of names say nothing here.
    for number, line in enumerate(difflib.unified_diff(before, after, n=_AROUND, lineterm="")):
        if number >= 2:
            yield line[0], _cut(line if line.startswith("@@") else line[1:])


def _cut(line: str) -> str:
    text = shown(line)
    return text if len(text) <= _LONGEST_LINE else f"{text[:_LONGEST_LINE]} … ({len(text)} characters)"


def shown(text: str) -> str:
    """Return a text in which nothing hides: characters that steer or turn what is shown are written out."""
    return "".join(_visible(text))


def _visible(text: str) -> Iterable[str]:
    for letter in text:
        if letter != "\t" and unicodedata.category(letter) in ("Cc", "Cf", "Zl", "Zp"):
            yield f"\\u{{{ord(letter):x}}}"
        else:
            yield letter
