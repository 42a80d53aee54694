"""What a site remembers of the channel, so that nobody can take it back to an earlier one.

- Versions of each role's metadata. Those of targets, hotfixes and status are the same in the channel and in its kits,
  so neither may be older than what the other has shown; root, snapshot and timestamp of kits count for themselves.
- A role whose keys were exchanged counts anew: a thief may have signed the highest version there is.
- Which revisions were ever listed, and what was found in them: a revision that is not listed any more has vanished.
- When a manifest was first seen here. Deadlines count from then, by this site's clock.
- The newest checkpoint of the vendor's audit chain.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from patchline.patches import documents
from patchline.patches.audit_chain import Checkpoint
from patchline.patches.errors import ChannelError, InstallationError
from patchline.patches.fields import Fields

NAME = "channel/known.json"
LIMIT = 1 << 28
_FORMAT = 1
_MOST = 2**53 - 1


@dataclass(frozen=True)
class Version:
    """A role's metadata: its version, and which keys it counts by (the digest of their ids).

    Attributes:
        sha256: of its bytes, where one version can have only one form.
    """

    number: int
    sha256: str | None
    keys: str


@dataclass(frozen=True)
class Listed:
    """A published revision that the channel listed.

    Attributes:
        sha256, size: of its release zip.
        manifest: digest of its manifest, once that was verified.
        elsewhere: why it is not for this site, once that was found; by then only another zip can change it.
    """

    sha256: str
    size: int
    manifest: str | None = None
    elsewhere: str | None = None


@dataclass(frozen=True)
class Known:
    """What a site remembers of the channel and its kits."""

    versions: Mapping[str, Version] = field(default_factory=dict)
    hotfixes: Mapping[str, Listed] = field(default_factory=dict)
    first_seen: Mapping[str, str] = field(default_factory=dict)
    checkpoint: Checkpoint | None = None

    def check(self, newer: Mapping[str, Version], *, what: str) -> None:
        """Raise ChannelError when some metadata is older than what was seen, or another one of the same number.

        Args:
            newer: by the names that `with_versions` takes.
            what: what holds it, for the message.
        """
        for name, version in newer.items():
            known = self.versions.get(name)
            if known is None or known.keys != version.keys:
                continue
            if version.number < known.number:
                raise ChannelError(
                    "older", f"{what} is older than what this site has seen: {name} {version.number} < {known.number}"
                )
            if version.number == known.number and version.sha256 != known.sha256:
                raise ChannelError("fork", f"there are two different versions {version.number} of {name}")

    def with_versions(self, newer: Mapping[str, Version]) -> "Known":
        """Return what is known after metadata was taken; `kit-` goes before the names of a kit's own."""
        return replace(self, versions={**self.versions, **newer})

    def with_hotfixes(self, listed: Mapping[str, Listed]) -> "Known":
        """Return what is known after revisions were looked at; one that vanished is kept."""
        return replace(self, hotfixes={**self.hotfixes, **listed})

    def judged_anew(self) -> "Known":
        """Return what is known once another policy decides what is for this site."""
        return replace(self, hotfixes={name: replace(one, elsewhere=None) for name, one in self.hotfixes.items()})

    def with_manifests(self, digests: Iterable[str], now: datetime) -> "Known":
        """Return what is known after manifests were seen."""
        seen = {digest: now.isoformat(timespec="seconds") for digest in digests if digest not in self.first_seen}
        return replace(self, first_seen={**self.first_seen, **seen}) if seen else self

    def with_seen(self, told: Mapping[str, str]) -> "Known":
        """Return what is known together with what was noted elsewhere of when manifests were first seen."""
        return replace(self, first_seen={**self.first_seen, **told})

    def seen(self, manifest: str, now: datetime) -> datetime:
        """Return when a manifest was first seen; it is now where it never was."""
        told = self.first_seen.get(manifest)
        return now if told is None else datetime.fromisoformat(told).astimezone(UTC)

    def with_checkpoint(self, newer: Checkpoint) -> tuple["Known", str | None]:
        """Return what is known after a checkpoint was shown, and what a person should hear about it."""
        known = self.checkpoint
        if known is None or newer.count > known.count:
            return replace(self, checkpoint=newer), None
        if newer.count == known.count and newer.head == known.head:
            return self, None
        return self, (
            f"the vendor's audit chain was {known.count} events long and is said to have {newer.count} now, "
            "or others: ask the vendor whether it was restored"
        )

    def vanished(self, listed: Iterable[str]) -> list[str]:
        """Return the names of revisions that were listed once and are not any more."""
        return sorted(self.hotfixes.keys() - set(listed))

    def as_payload(self) -> bytes:
        """Return the bytes that a site keeps."""
        return documents.encode(
            {
                "format": _FORMAT,
                "versions": {
                    name: {"version": one.number, "sha256": one.sha256, "keys": one.keys}
                    for name, one in self.versions.items()
                },
                "hotfixes": {
                    name: {
                        "sha256": one.sha256,
                        "size": one.size,
                        "manifest": one.manifest,
                        "elsewhere": one.elsewhere,
                    }
                    for name, one in self.hotfixes.items()
                },
                "first_seen": dict(self.first_seen),
                "checkpoint": self.checkpoint and self.checkpoint.as_bytes().decode(),
            }
        )

    @classmethod
    def parse(cls, data: bytes) -> "Known":
        """Read what `as_payload` wrote.

        Raises:
            InstallationError: it is something else.
        """
        fields = Fields(documents.decode(data, what=NAME, limit=LIMIT), NAME, InstallationError)
        versions, hotfixes, seen = (fields.object(name) for name in ("versions", "hotfixes", "first_seen"))
        return cls(
            versions={name: _read_version(versions.object(name)) for name in versions.document},
            hotfixes={name: _read_listed(hotfixes.object(name)) for name in hotfixes.document},
            first_seen={digest: seen.text(digest) for digest in seen.document},
            checkpoint=Checkpoint.parse(fields.text("checkpoint").encode()) if fields.has("checkpoint") else None,
        )


def _read_version(fields: Fields) -> Version:
    sha256 = fields.sha256("sha256") if fields.has("sha256") else None
    return Version(fields.integer("version", 1, _MOST), sha256, fields.sha256("keys"))


def _read_listed(fields: Fields) -> Listed:
    return Listed(
        sha256=fields.sha256("sha256"),
        size=fields.integer("size", 0, _MOST),
        manifest=fields.sha256("manifest") if fields.has("manifest") else None,
        elsewhere=fields.optional_text("elsewhere"),
    )
