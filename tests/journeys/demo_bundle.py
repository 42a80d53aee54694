"""The first part of the demo: two consecutive releases become a signed hotfix, there and back again."""

import secrets
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from patchline.patches.errors import NotFoundError, TrialError
from patchline.releaser.acting import Person
from patchline.releaser.narration import Narrator
from patchline.releaser.trial import BUILDER, Customer, Release, Stage, Vendor

HOTFIX = "HF-2026-0001"
AUTHOR = "erin"
APPROVERS = ("ada", "ben", AUTHOR)


@dataclass(frozen=True)
class Fix:
    """What a release mends: told by people, because a wheel does not say it."""

    id: str
    title: str
    paths: tuple[str, ...] = ()


@dataclass(frozen=True)
class Story:
    """What differs from product to product.

    Attributes:
        fixes: in the order in which the author commits them; the rest of the release comes last.
        severity: as the vendor rates it.
        checks: commands that show the product at work.
    """

    product: str
    base: str
    head: str
    fixes: tuple[Fix, ...]
    severity: str
    checks: tuple[tuple[str, ...], ...] = ()


DJANGO_FIXES = (
    Fix(
        "CVE-2024-45230",
        "Potential denial-of-service vulnerability in django.utils.html.urlize()",
        ("django/utils/html.py",),
    ),
    Fix(
        "CVE-2024-45231",
        "Potential user email enumeration via response status on password reset",
        ("django/contrib/auth/forms.py",),
    ),
)
DJANGO_CHECKS = (
    ("python", "-c", 'import django; print(django.get_version(), "from", django.__file__)'),
    ("python", "-m", "django", "startproject", "shop"),
    ("python", "shop/manage.py", "check"),
)


def story_of(product: str, base: str, head: str) -> Story:
    """Return the story of a product; of most there is only a name to tell."""
    if (product.lower(), base, head) == ("django", "4.2.15", "4.2.16"):
        return Story(product, base, head, DJANGO_FIXES, "important", DJANGO_CHECKS)
    return Story(product, base, head, (Fix(f"{product}-{head}", f"What {product} {head} mends"),), "moderate")


@dataclass
class Demo:
    """The chapters of the story, in order."""

    story: Story
    stage: Stage
    releases: dict[str, Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tell = self.stage.narrator.tell
        self.chapter = self.stage.narrator.chapter
        self.vendor = Vendor(self.stage, self.story.product, APPROVERS)
        self.customer = Customer.on(self.stage, "site-packages", self.story.product)
        self.author = self.vendor[AUTHOR]
        self.repository = self.author.home / self.story.product
        self.people = self.vendor.shared("people.toml")
        self.hotfix = self.vendor.shared(f"{HOTFIX}-r1.hotfix")
        self.client = self.vendor.shared("patchline-site.pyz")

    def prepare(self) -> None:
        product, base, head = self.story.product, self.story.base, self.story.head
        self.chapter(f"1. Two real releases: {product} {base} and {head}")
        self.fetch_releases()
        self.chapter(f"2. {AUTHOR} keeps them in git; what customers have is tagged")
        self.commit_releases()
        self.chapter("3. Keys, each on its owner's machine; policy and trust file, signed by two of three offline keys")
        self.make_trust()

    def play(self) -> None:
        base = self.story.base
        self.chapter(f"4. {BUILDER} builds and signs a hotfix for everybody who has {base}")
        self.build()
        self.chapter("5. Two people approve it on their own machines, neither of them its author")
        self.approve()
        self.chapter(f"6. A customer who has {base} looks at it")
        self.look()
        self.chapter("7. An auditor looks at it without Patchline")
        self.look_with_stock_tools()
        self.chapter("8. The customer applies it")
        self.apply()
        self.chapter("9. Rolled back, applied again, and killed half-way")
        self.survive()
        self.chapter("10. What the customer has, and what they tell the vendor")
        self.tell_the_vendor()

    def fetch_releases(self) -> None:
        wheels = self.stage.folder / "wheels"
        for number in (self.story.base, self.story.head):
            wheel = download(self.story.product, number, wheels / number, self.stage.narrator)
            self.releases[number] = self.stage.folder / "releases" / number
            shutil.unpack_archive(wheel, self.releases[number], "zip")
            self.tell(f"    {wheel.name}, {sum(path.is_file() for path in self.releases[number].rglob('*')):,} files")
        self.base, self.head = (
            Release.of(f"{self.story.product} {number}", path) for number, path in self.releases.items()
        )

    def a_module(self) -> str:
        """Return the name of a file of the base release."""
        return min(path.name for path in self.releases[self.story.base].rglob("*.py"))

    def commit_releases(self) -> None:
        self.author.run("git", "init", "--quiet", "--initial-branch=main", self.repository, lines=0)
        self.git("config", "user.name", AUTHOR.title())
        self.git("config", "user.email", f"{AUTHOR}@example.com")
        self.commit(self.releases[self.story.base], None, f"{self.story.product} {self.story.base}")
        self.git("tag", self.story.base)
        for fix in self.story.fixes:
            if fix.paths:
                self.commit(self.releases[self.story.head], fix.paths, fix.title, f"Fixes: {fix.id}")
        named = ", ".join(fix.id for fix in self.story.fixes)
        self.commit(self.releases[self.story.head], None, f"{self.story.product} {self.story.head}", f"Fixes: {named}")
        self.git("tag", self.story.head)
        self.git("log", "--oneline", "--decorate", lines=6)

    def commit(self, release: Path, paths: Sequence[str] | None, *message: str) -> None:
        """Commit some paths of a release, or all of it and nothing else."""
        if paths is None:
            for old in self.repository.iterdir():
                if old.name != ".git":
                    shutil.rmtree(old) if old.is_dir() else old.unlink()
            shutil.copytree(release, self.repository, dirs_exist_ok=True)
        for path in paths or ():
            shutil.copy(release / path, self.repository / path)
        self.git("add", "--all", "--force")
        self.git("commit", "--quiet", *(word for part in message for word in ("-m", part)))

    def git(self, *words: str, lines: int = 0) -> None:
        self.author.run("git", "-C", self.repository, *words, lines=lines)

    def make_keys(self) -> None:
        self.vendor.make_keys()

    def release(self) -> None:
        self.vendor.release(self.hotfix)

    def make_trust(self) -> None:
        self.make_keys()
        base = self.story.base
        listed = self.vendor.list_baseline(base, "--dir", self.releases[base])
        self.vendor.make_trust([listed] if listed else [])
        self.listed = listed

        key = secrets.token_hex(16)
        self.people.write_text(f'key = "{key}"\n\n[people]\n{AUTHOR} = ["{AUTHOR}@example.com"]\n')
        self.tell(f"{self.people.name} says whose e-mail address is whose, so that authors are known by name.")

    def build(self) -> None:
        clone = self.clone_for(self.vendor[BUILDER])
        fixes = [word for fix in self.story.fixes for word in ("--fix", f"{fix.id}={fix.title}")]
        self.vendor[BUILDER].run(
            *("patchline", "bundle", "build", "--repo", clone, "--base", self.story.base, "--head", self.story.head),
            *("--id", HOTFIX, "--product", self.story.product, "--baseline", self.story.base),
            *("--severity", self.story.severity, *fixes, "--people", self.people, "--out", self.hotfix),
            lines=8,
        )
        self.vendor[BUILDER].run("patchline", "bundle", "sign", self.hotfix, "--key", BUILDER)

    def clone_for(self, person: Person) -> Path:
        clone = person.home / self.story.product
        if not clone.exists():
            person.run("git", "clone", "--quiet", self.repository, clone, lines=0)
        return clone

    def approve(self) -> None:
        self.vendor.approve(AUTHOR, self.hotfix, expect=21)
        self.tell(
            f"→ {AUTHOR} wrote it, so {AUTHOR}'s approval is refused; and every customer's client would not count it"
        )
        clone = self.clone_for(self.vendor["ada"])
        self.vendor.approve("ada", self.hotfix, "--repo", clone, "--people", self.people)
        self.vendor.approve("ben", self.hotfix)
        self.release()

    def look(self) -> None:
        self.install(self.customer)
        self.customer.say("verify", self.hotfix)
        self.tell("The same by the client that is one file, without pip and without anything compiled:")
        self.vendor[BUILDER].run("python", "-m", "patchline.releaser.client", self.client)
        self.customer.person.run(
            *("python", "-I", "-S", self.client, "verify", self.hotfix, "--root", self.customer.root), lines=6
        )

    def install(self, customer: Customer) -> None:
        """Give a customer the base release, and make it a site."""
        shutil.copytree(self.releases[self.story.base], customer.root)
        customer.init(self.story.base, self.vendor.trust, self.listed)

    def look_with_stock_tools(self) -> None:
        if missing := [tool for tool in ("openssl", "sha256sum", "tar") if shutil.which(tool) is None]:
            self.tell(f"Skipped: {', '.join(missing)} is not on this machine.")
            return
        auditor = self.stage.person("auditor")
        name = self.hotfix.name
        beside = [self.vendor.shared(name + ending) for ending in ("", ".sha256", ".sha256.sig")]
        auditor.run("cp", *beside, self.vendor.shared("release.pem"), ".")
        auditor.run(
            *("openssl", "dgst", "-sha256", "-verify", "release.pem"),
            *("-signature", f"{name}.sha256.sig", f"{name}.sha256"),
        )
        auditor.run("sha256sum", "--check", f"{name}.sha256")
        auditor.run("tar", "-xf", name)
        auditor.run("tar", "-xzf", "payload.tar.gz")
        auditor.run("cat", "README.txt", lines=-6)
        self.tell("→ this proves who released it; the approvals are checked by our client only")

    def apply(self) -> None:
        self.customer.say("plan", self.hotfix, lines=-8)
        self.customer.say("apply", self.hotfix, "--reference", "CHG-4711")
        self.customer.must_be(self.head)
        self.run_product()

    def run_product(self) -> None:
        """Run the product where it was patched, with the libraries it needs beside."""
        libraries = self.stage.folder / "libraries"
        pip(
            self.stage.narrator,
            "install",
            "--no-compile",
            "--target",
            libraries,
            f"{self.story.product}=={self.story.base}",
        )
        user = self.stage.person("user", PYTHONPATH=f"{self.customer.root}:{libraries}", PYTHONDONTWRITEBYTECODE="1")
        self.tell(
            f"The installation comes first on the search path, those libraries second: {user.settings['PYTHONPATH']}"
        )
        number = f'from importlib.metadata import version; print(version("{self.story.product}"))'
        runs = [user.run("python", "-c", number), *(user.run(*line) for line in self.checks())]
        if runs[0].out.strip() != self.story.head:
            said = f"the product says it is {runs[0].out.strip()!r}, not {self.story.head}"
            raise TrialError("tree", said)
        self.customer.must_be(self.head)

    def checks(self) -> Sequence[tuple[str, ...]]:
        """Return commands that use the product: those of its story, else importing whatever it installs."""
        packages = sorted(path.parent.name for path in self.releases[self.story.head].glob("*/__init__.py"))
        return self.story.checks or [("python", "-c", f"import {name}; print({name}.__file__)") for name in packages]

    def survive(self) -> None:
        self.customer.say("rollback", HOTFIX)
        self.customer.must_be(self.base)
        self.customer.survive_a_kill(self.hotfix, self.base, self.head)

    def tell_the_vendor(self) -> None:
        self.customer.say("inventory", "--check", lines=10)
        self.customer.person.run("cat", self.customer.root / ".patchline" / "PATCHLEVEL")
        self.customer.say("report", "--out", self.vendor.shared("report.json"), lines=4)
        self.customer.say("rollback", "--to", "baseline")
        self.customer.must_be(self.base)
        self.customer.say("history", lines=12)


def download(product: str, number: str, folder: Path, narrator: Narrator) -> Path:
    """Fetch a wheel by pip, from wherever this machine's pip gets its packages."""
    pip(narrator, "download", "--no-deps", "--only-binary", ":all:", "--dest", folder, f"{product}=={number}")
    (wheel,) = folder.glob("*.whl")
    return wheel


def pip(narrator: Narrator, *words: str | Path) -> None:
    """Run pip as the person who runs the demo, with their settings."""
    line = [str(word) for word in words]
    narrator.command("you", ["pip", *line])
    done = subprocess.run([sys.executable, "-m", "pip", "--quiet", *line], check=False, capture_output=True, text=True)
    if done.returncode:
        said = [text for text in done.stderr.splitlines() if text.startswith("ERROR: ")]
        reason = said[-1].removeprefix("ERROR: ") if said else f"pip ended with {done.returncode}"
        raise NotFoundError("file", reason, hint="Check name and numbers, and that pip reaches its package index.")
