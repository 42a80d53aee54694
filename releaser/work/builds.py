"""Builds that a worker makes: what whoever asks says once, in a form that means the same later and elsewhere.

The file of people stays where it is: its key and its addresses are nobody else's business. Who contributed is found when
the build is asked for, from the very commits that will be built.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from patchline.patches.base64text import decode_base64, encode_base64
from patchline.patches.documents import encode
from patchline.patches.errors import UsageError
from patchline.releaser.building import GitOrigin, Wanted, build
from patchline.releaser.earlier_hotfixes import published_before
from patchline.releaser.git_store import GitStore
from patchline.releaser.home import mirror_folder
from patchline.releaser.hotfix_building import Planned, filled, planned, take
from patchline.releaser.people import Identified, People
from patchline.releaser.recipe import Authored
from patchline.releaser.register import Register
from patchline.releaser.sources import mails_of
from patchline.releaser.trees import Roots

_LARGEST = 4 << 20


@dataclass(frozen=True)
class BuildOrder:
    """A build that is to be made.

    Attributes:
        revision: its name.
        head: the commit that it should become.
        people: who contributed, None where nobody is known by name.
    """

    revision: str
    head: str
    authored: Authored
    people: Identified | None

    def as_arguments(self) -> dict[str, Any]:
        """Return it as arguments of a wish.

        Raises:
            UsageError: what people wrote is too large to be kept there.
        """
        authored = asdict(self.authored)
        authored["scripts"] = {name: encode_base64(data) for name, data in self.authored.scripts.items()}
        people = asdict(self.people) if self.people else None
        arguments = {"revision": self.revision, "head": self.head, "authored": authored, "people": people}
        if len(encode(arguments)) > _LARGEST:
            most = f"{_LARGEST >> 20} MiB"
            raise UsageError("options", f"the recipe has more than {most} with its scripts; build it without --queue")
        return arguments

    @classmethod
    def of_arguments(cls, arguments: Mapping[str, Any]) -> "BuildOrder":
        """Return what `as_arguments` wrote."""
        people = arguments["people"]
        return cls(
            arguments["revision"],
            arguments["head"],
            _authored(arguments["authored"]),
            Identified(tuple(people["persons"]), people["digest"]) if people else None,
        )


def _authored(given: Mapping[str, Any]) -> Authored:
    """Return what people wrote, of which JSON made lists."""
    silent = Authored()
    plain = {
        field.name: tuple(given[field.name])
        for field in fields(Authored)
        if isinstance(getattr(silent, field.name), tuple)
    }
    patterns = {name: {key: tuple(value) for key, value in given[name].items()} for name in ("classes", "fix_paths")}
    scripts = {name: decode_base64(text, "a script") for name, text in given["scripts"].items()}
    return Authored(**{**given, **plain, **patterns, "scripts": scripts})


def ordered(register: Register, identifier: str, head: str, authored: Authored, people: People | None) -> BuildOrder:
    """Say a build so that a worker can make it: from the product's repository, whatever becomes of its branches.

    Raises:
        UsageError: product or baseline have no git source.
        GitError: the repository has no such head, or it is not the baseline's successor.
    """
    with register.read() as session:
        plan = planned(session, identifier)
    origin = _origin(register, plan, head)
    roots = Roots(authored.roots, authored.platforms)
    with GitStore(origin.repo, origin.mirror) as store:
        point, base = store.resolve(origin.head), store.resolve(origin.base)
        commits, _ = store.history(base, point, roots.folders)
        mails = mails_of(store, commits, point)
    known = Identified(tuple(people.identify(mails)), people.digest) if people else None
    return BuildOrder(plan.label, point.commit, authored, known)


def _origin(register: Register, plan: Planned, head: str) -> GitOrigin:
    if plan.repository is None or plan.base is None:
        product = plan.order.product
        raise UsageError(
            "options", f"{plan.label} has no git source in the register: product {product} or its baseline lacks one"
        )
    return GitOrigin(plan.repository, plan.base, head, mirror_folder(plan.order.product, register.home))


def make(register: Register, order: BuildOrder, by: str, now: datetime) -> None:
    """Build a revision onto what is published for its baseline, and take it into the register.

    Made again it changes nothing: a revision that has the manifest by then stays as it is.

    Raises:
        BuildError: it cannot be built.
        StateError: it was submitted with other bytes.
        RefusedError: who asked may not.
    """
    with register.read() as session:
        plan = planned(session, order.revision)
    with tempfile.TemporaryDirectory(prefix="patchline-build-") as name:
        folder, onto = Path(name), Path(name) / "onto"
        onto.mkdir()
        wanted = Wanted(
            order=plan.order,
            authored=filled(order.authored, plan.authored),
            origin=_origin(register, plan, order.head),
            people=order.people,
            onto=tuple(published_before(register, plan.label, onto)),
        )
        built = build(wanted, folder / f"{plan.label}.hotfix", lambda: now)
        take(register, plan.label, built.path, by, now, anew=False)
