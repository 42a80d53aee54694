"""What must not leave the house: private keys, tokens of known shape, and names from the vendor's own list.

- Only what is new is searched: a finding that the path's earlier content already has is old news.
- Nothing is guessed from how random a text looks; each rule names what it knows.
- Members of zip archives are searched too, one archive deep.
- A finding stops the build. `--allow PATH=REASON` lets one path pass, and the reason goes into the provenance.
"""

import re
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from patchline.patches.documents import digest
from patchline.patches.errors import BuildError
from patchline.releaser.built_archives import is_archive
from patchline.releaser.globs import matches

_CHUNK = 1 << 20
_OVERLAP = 8192
_IN_MEMORY = 8 << 20
_UNREADABLE = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, ValueError)


class Rule(NamedTuple):
    """Something known: the literals it may begin with, and the pattern that must match where one of them stands."""

    title: str
    starts: tuple[bytes, ...]
    pattern: re.Pattern[bytes]


def _rule(title: str, starts: Sequence[bytes], pattern: bytes) -> Rule:
    return Rule(title, tuple(starts), re.compile(pattern))


RULES = (
    _rule(
        "private key",
        [b"-----BEGIN "],
        rb"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
        # As text in a program the lines are often parts of a literal.
        rb"(?:\\[rn]|[\s\"'+,])*(?:[A-Za-z-]{1,40}: [^\r\n]{0,200}[\r\n]+)*(?:\\[rn]|[\s\"'+,])*[A-Za-z0-9+/=]{32}",
    ),
    _rule("PuTTY private key", [b"PuTTY-User-Key-File-"], rb"PuTTY-User-Key-File-[23]: [a-z0-9-]+"),
    _rule("age secret key", [b"AGE-SECRET-KEY-1"], rb"AGE-SECRET-KEY-1[0-9A-Z]{58}"),
    _rule("Amazon access key", [b"AKIA", b"ASIA"], rb"(?<![A-Za-z0-9/+])A[KS]IA[A-Z2-7]{16}(?![A-Za-z0-9/+])"),
    _rule("Azure storage key", [b"AccountKey="], rb"AccountKey=[A-Za-z0-9+/]{86}=="),
    _rule("DigitalOcean token", [b"dop_v1_", b"doo_v1_", b"dor_v1_"], rb"do[opr]_v1_[0-9a-f]{64}"),
    _rule(
        "GitHub token",
        [b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_"],
        rb"(?<![A-Za-z0-9])(?:gh[opsur]_[A-Za-z0-9]{36,251}|github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59})",
    ),
    _rule(
        "GitLab token",
        [b"glpat-", b"gldt-", b"glrt-", b"glptt-", b"glft-", b"glsoat-"],
        rb"(?<![A-Za-z0-9])gl(?:pat|dt|rt|ptt|ft|soat)-[A-Za-z0-9_-]{20,}",
    ),
    _rule("Google API key", [b"AIza"], rb"(?<![A-Za-z0-9])AIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])"),
    _rule("Hugging Face token", [b"hf_"], rb"(?<![A-Za-z0-9])hf_[A-Za-z]{34}(?![A-Za-z0-9])"),
    _rule("npm token", [b"npm_"], rb"(?<![A-Za-z0-9])npm_[A-Za-z0-9]{36}(?![A-Za-z0-9])"),
    _rule("package index token", [b"pypi-AgE"], rb"pypi-AgE[A-Za-z0-9_-]{50,}"),
    _rule("SendGrid key", [b"SG."], rb"(?<![A-Za-z0-9])SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"),
    _rule(
        "Slack token",
        [b"xoxa-", b"xoxb-", b"xoxe-", b"xoxo-", b"xoxp-", b"xoxr-", b"xoxs-"],
        rb"xox[abeoprs]-[A-Za-z0-9-]{20,}",
    ),
    _rule("Stripe key", [b"sk_live_", b"rk_live_"], rb"(?<![A-Za-z0-9])[rs]k_live_[A-Za-z0-9]{20,}"),
    _rule("Vault token", [b"hvs.", b"hvb.", b"hvr."], rb"(?<![A-Za-z0-9])hv[sbr]\.[A-Za-z0-9_-]{24,}"),
)
_NAME = "a name of the list"

Content = Callable[[], Iterable[bytes]]


@dataclass(frozen=True)
class Item:
    """Something new: `where` names it for people and for `--allow`, `old` is what it replaces."""

    where: str
    content: Content
    old: Content | None = None
    place: tuple[str, str] | None = None


@dataclass(frozen=True)
class Finding:
    """A finding: where, and which rule; never the secret itself."""

    where: str
    rule: str


@dataclass
class Scanner:
    """The rules of one build.

    Attributes:
        names: names that must not appear, whatever their case.
        allow: reason by pattern, of `globs` or of the name in the finding.
        contents: how many contents were searched.
        allowed: findings that passed, with the reason.
    """

    names: Sequence[str] = ()
    allow: Mapping[str, str] = field(default_factory=dict)
    contents: int = 0
    allowed: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lowered = sorted({name.encode().lower() for name in self.names})

    @property
    def rules(self) -> str:
        """SHA-256 of all rules, for the provenance: tells what was looked for without telling the names."""
        known = b"\0".join(rule.title.encode() + b"\0" + rule.pattern.pattern for rule in RULES)
        return digest(known + b"\0" + b"\0".join(self._lowered))

    def search(self, items: Iterable[Item]) -> None:
        """Search everything that is new.

        Raises:
            BuildError: there are findings; all are named at once.
        """
        found = [finding for item in items for finding in self._item(item)]
        if found:
            shown = "; ".join(f"{finding.rule} in {finding.where}" for finding in found[:20])
            more = f"; and {len(found) - 20} more" if len(found) > 20 else ""
            raise BuildError("secret", f"{shown}{more}")

    def _item(self, item: Item) -> list[Finding]:
        self.contents += 1
        found = self._matches(item.where, item.content)
        if found and item.old is not None:
            # Only now, because the earlier content is read for this alone.
            found -= self._matches(item.where, item.old)
        if not found:
            return []
        reason = self._reason(item)
        if reason is not None:
            self.allowed.append((item.where, reason))
            return []
        return [Finding(item.where, rule) for rule in sorted({rule for rule, _ in found})]

    def _reason(self, item: Item) -> str | None:
        for pattern, reason in self.allow.items():
            if pattern == item.where or (item.place is not None and matches(pattern, *item.place)):
                return reason
        return None

    def _matches(self, where: str, content: Content) -> set[tuple[str, bytes]]:
        """Return rule and matched bytes of everything found in a content and, for an archive, in its members."""
        found = set(self._in_pieces(content()))
        if is_archive(where.encode()):
            for pieces in _members(content):
                found.update(self._in_pieces(pieces))
        return found

    def _in_pieces(self, pieces: Iterable[bytes]) -> Iterator[tuple[str, bytes]]:
        """Search pieces that overlap, so that nothing is cut in two."""
        kept = b""
        for piece in pieces:
            data = kept + piece
            yield from _known(data)
            yield from self._named(data)
            kept = data[-_OVERLAP:]

    def _named(self, data: bytes) -> Iterator[tuple[str, bytes]]:
        lowered = data.lower() if self._lowered else b""
        for name in self._lowered:
            for start in _places(lowered, name):
                around = lowered[max(0, start - 1) : start] + lowered[start + len(name) : start + len(name) + 1]
                if not any(chr(byte).isalnum() for byte in around):
                    yield _NAME, name


def _known(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield rule and matched bytes; a literal is looked for first, which costs a hundredth of a pattern."""
    for rule in RULES:
        for literal in rule.starts:
            for start in _places(data, literal):
                if found := rule.pattern.match(data, start):
                    yield rule.title, found[0]


def _places(data: bytes, wanted: bytes) -> Iterator[int]:
    start = data.find(wanted)
    while start >= 0:
        yield start
        start = data.find(wanted, start + 1)


def _members(content: Content) -> Iterator[Iterator[bytes]]:
    """Yield the content of each member of an archive in pieces; nothing where it cannot be read as one."""
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
        for piece in content():
            file.write(piece)
        try:
            with zipfile.ZipFile(file) as archive:
                yield iter((archive.comment,))
                for member in archive.infolist():
                    yield _unpacked(archive, member)
        except _UNREADABLE:
            return


def _unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield a member as far as it can be read; its packed bytes are searched in any case."""
    try:
        with archive.open(member) as stream:
            while piece := stream.read(_CHUNK):
                yield piece
    except _UNREADABLE:
        return
