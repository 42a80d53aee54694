"""A hotfix from two refs of any repository, taken to a site and back: the story of `patchline try`."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from patchline.patches import identifiers
from patchline.releaser.checkout import write_tree
from patchline.releaser.git_store import GitStore
from patchline.releaser.narration import Narrator
from patchline.releaser.trial import APPROVERS, BUILDER, Customer, Killed, Release, Stage, Vendor, manifest_of

HOTFIX = "HF-TRY-1"
_NOT_IN_PRODUCT = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Tried:
    """What a trial found; it ends well or with an error.

    Attributes:
        paths: how many paths the hotfix changes.
        recovered: the ref whose tree the site had after the kill and the recovery.
    """

    hotfix: str
    manifest: str
    base: str
    head: str
    paths: int
    killed: Killed
    recovered: str

    def as_document(self) -> dict[str, Any]:
        """Return it for scripts."""
        return {
            "hotfix": self.hotfix,
            "manifest": self.manifest,
            "paths": self.paths,
            "applied": "identical",
            "killed": {"changed": self.killed.changed, "paths": self.killed.paths},
            "recovered": self.recovered,
            "rolled_back": "identical",
        }


def try_out(repo: Path, base: str, head: str, folder: Path, narrator: Narrator, allow: Iterable[str] = ()) -> Tried:
    """Take what differs between two refs to a site and back.

    Args:
        repo: only read.
        base: what the customer has.
        head: what they should get.
        folder: a new one, for everybody's homes.
        narrator: is told the story.
        allow: findings of the scan that may pass, as `bundle build --allow` takes them.

    Raises:
        GitError: the repository or a ref cannot be used.
        TrialError: a command failed, or the site did not become what it should.
    """
    repo = repo.absolute()
    product = product_of(repo)
    stage = Stage(folder, narrator)
    customer = Customer.on(stage, product, product)
    old, new = _trees(repo, base, head, customer.root, folder / "expected")
    vendor = Vendor(stage, product)
    narrator.chapter("Keys, each on its owner's machine; a policy; the file that a customer starts from")
    vendor.make_keys()
    listed = vendor.list_baseline(base, "--repo", repo, "--ref", base)
    vendor.make_trust([listed] if listed else [])
    narrator.chapter(f"The hotfix, from {base} to {head}")
    hotfix = _build(vendor, repo, base, head, allow)
    narrator.chapter("Two people approve it; the first builds it again from her own clone")
    vendor.approve(APPROVERS[0], hotfix, "--repo", repo)
    vendor.approve(APPROVERS[1], hotfix)
    vendor.release(hotfix)
    narrator.chapter("At the customer's")
    customer.init(base, vendor.trust, listed)
    killed, recovered = _at_the_site(customer, hotfix, old, new)
    manifest = manifest_of(hotfix)
    return Tried(manifest.label, manifest.digest, base, head, len(manifest.files), killed, recovered.name)


def product_of(repo: Path) -> str:
    """Return a product's name for a repository: that of its folder, as far as a name may be so."""
    name = _NOT_IN_PRODUCT.sub("-", repo.resolve().name.removesuffix(".git")).strip("-._")[:64]
    return name if identifiers.PRODUCT.fullmatch(name) else "product"


def _trees(repo: Path, base: str, head: str, installation: Path, expected: Path) -> tuple[Release, Release]:
    """Write both trees, the base as the customer's installation; return what they hold."""
    with GitStore(repo) as store:
        for point, folder in ((store.resolve(base), installation), (store.resolve(head), expected)):
            write_tree(store, point, folder)
    return Release.of(base, installation), Release.of(head, expected)


def _build(vendor: Vendor, repo: Path, base: str, head: str, allow: Iterable[str]) -> Path:
    hotfix = vendor.shared(f"{HOTFIX}-r1.hotfix")
    vendor[BUILDER].run(
        *("patchline", "bundle", "build", "--repo", repo, "--base", base, "--head", head),
        *("--id", HOTFIX, "--product", vendor.product, "--baseline", base),
        *("--fix", f"TRY-1=From {base} to {head}", "--out", hotfix),
        *(word for finding in allow for word in ("--allow", finding)),
        lines=6,
    )
    vendor[BUILDER].run("patchline", "bundle", "sign", hotfix, "--key", BUILDER)
    return hotfix


def _at_the_site(customer: Customer, hotfix: Path, base: Release, head: Release) -> tuple[Killed, Release]:
    """Verify, apply, roll back, be killed, recover, roll back; return the kill and which release it ended in."""
    customer.say("verify", hotfix)
    customer.say("plan", hotfix)
    customer.say("apply", hotfix)
    customer.must_be(head)
    customer.say("rollback", HOTFIX)
    customer.must_be(base)
    customer.person.narrator.chapter("Killed half-way")
    killed, recovered = customer.survive_a_kill(hotfix, base, head)
    customer.say("rollback", "--to", "baseline")
    customer.must_be(base)
    customer.say("inventory", "--check")
    return killed, recovered
