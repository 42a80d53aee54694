"""What a site may take now, in the order in which it is applied, with all that somebody needs who applies it."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.patches.errors import NotFoundError
from patchline.patches.manifest import Manifest
from patchline.patches.relations import in_order
from patchline.patches.situation import Decision
from patchline.releaser.delivery.parcels import ZIP
from patchline.releaser.fleet.accounts import At
from patchline.releaser.portal.outlook import Outlook
from patchline.releaser.release_words import guidance_words, stock_check
from patchline.releaser.tables.hotfixes import Revision


@dataclass(frozen=True)
class Offer:
    """A hotfix that a site may take.

    Attributes:
        zip_sha256, zip_size: of the file that is fetched.
        container: SHA-256 of the bundle in it.
        number: its place in the order.
    """

    at: At
    manifest: Manifest
    zip_sha256: str
    zip_size: int
    container: str
    number: int

    @property
    def label(self) -> str:
        """Its name."""
        return self.at.revision.label

    @property
    def file(self) -> str:
        """Name of the file that is fetched."""
        return f"{self.label}{ZIP}"

    @property
    def afterwards(self) -> list[str]:
        """What has to be restarted or done by hand."""
        return [guidance_words(text) for text in self.manifest.guidance]

    @property
    def first(self) -> list[str]:
        """What must be applied before it, or together with it."""
        return [one.hotfix + (f"-r{one.revision}" if one.revision else "") for one in self.manifest.relations.requires]

    @property
    def irreversible(self) -> bool:
        """Tell whether a step of it cannot be taken back."""
        return any(step.irreversible for step in self.manifest.steps)

    def commands(self, address: str) -> dict[str, str]:
        """Return the commands by which it is fetched, checked and applied.

        Args:
            address: where the pages are found, `https://HOST`.
        """
        check = stock_check(f"{self.label}.hotfix")
        return {
            "fetch": f"curl --fail --location --continue-at - --remote-name --header @patchline.header "
            f"{address}/download/{self.file}",
            "digest": f"echo '{self.zip_sha256}  {self.file}' | sha256sum --check",
            "release": "\n".join([f"unzip {self.file} -d {self.label} && cd {self.label}", check[0]]),
            "verify": f"patchline-site verify {self.file}",
            "apply": "\n".join([f"patchline-site plan {self.file}", f"patchline-site apply {self.file}"]),
            "back": f"patchline-site rollback {self.at.revision.hotfix}",
        }


def offers(session: Session, outlook: Outlook) -> list[Offer]:
    """Return what a site may take, in the order of applying."""
    ready = {one.revision.id: one for one in outlook.ready}
    query = select(Revision.id, Revision.manifest, Revision.zip_sha256, Revision.zip_size, Revision.container_sha256)
    rows = session.execute(query.where(Revision.id.in_(ready), Revision.zip_sha256.is_not(None))).all()
    found = {row.id: Manifest.parse(row.manifest) for row in rows}
    of_digest = {found[row.id].digest: row for row in rows}
    ordered = [(one, of_digest[one.digest]) for one in in_order(list(found.values()), Decision())]
    return [
        Offer(ready[row.id], one, row.zip_sha256, row.zip_size, row.container_sha256, number)
        for number, (one, row) in enumerate(ordered, 1)
    ]


def the_offer(found: list[Offer], label: str) -> Offer:
    """Return one of the offers by its name.

    Raises:
        NotFoundError: the site may not take such a one now.
    """
    for one in found:
        if one.label == label:
            return one
    raise NotFoundError("download", f"there is no {label[:80]!r} to fetch for this site now")


def as_document(one: Offer) -> dict[str, object]:
    """Return an offer for programs."""
    return {
        "number": one.number,
        "hotfix": one.label,
        "severity": one.at.severity,
        "title": one.at.title,
        "state": one.at.state.value,
        "after": one.first,
        "afterwards": one.afterwards,
        "irreversible": one.irreversible,
        "file": one.file,
        "size": one.zip_size,
        "sha256": one.zip_sha256,
    }
