"""The two programs, run as processes of their own, with keys and a policy made for the occasion."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BIN = Path(sys.executable).parent
_HOLDER = "holder"
_PEOPLE = ("builder", "ada", "ben", "release")


class Refused(Exception):
    """A program ended with an error; the document says which."""

    def __init__(self, line: list[str], document: dict[str, Any]) -> None:
        super().__init__(f"{' '.join(line)}: {document}")
        self.document = document

    @property
    def code(self) -> str:
        """The stable code of the error."""
        return str(self.document.get("error"))

    @property
    def message(self) -> str:
        """What the program said."""
        return str(self.document.get("message"))


@dataclass(frozen=True)
class Vendor:
    """Somebody who builds, signs and approves, with everything in one folder.

    Attributes:
        folder: keys, home, trust file.
        product: the one product of the policy.
    """

    folder: Path
    product: str

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which the programs run: nothing of the caller's own folders."""
        home = {"HOME": self.folder, "PATCHLINE_HOME": self.folder / "home", "PATCHLINE_KEYS": self.folder / "keys"}
        return {**os.environ, **{name: str(path) for name, path in home.items()}, "PATCHLINE_PASSPHRASE": "bench"}

    @property
    def trust(self) -> Path:
        """The trust file."""
        return self.folder / "vendor.trust"

    def line(self, program: str, *arguments: object) -> list[str]:
        """Return a command line."""
        return [str(BIN / program), *(str(argument) for argument in arguments)]

    def run(self, program: str, *arguments: object) -> dict[str, Any]:
        """Run a program with `--json`; return its document.

        Raises:
            Refused: it ended with an error.
        """
        line = self.line(program, *arguments, "--json")
        done = subprocess.run(line, check=False, capture_output=True, env=self.environment, stdin=subprocess.DEVNULL)
        document = json.loads(done.stdout) if done.stdout.startswith(b"{") else {"message": done.stderr.decode()}
        if done.returncode:
            raise Refused(line, document)
        return dict(document)

    def settle(self) -> None:
        """Make the keys, root, policy and trust file."""
        self.folder.mkdir(parents=True)
        (self.folder / "keys").mkdir(mode=0o700)
        prints = {name: self._key(name) for name in (_HOLDER, *_PEOPLE)}
        pem = {name: self.folder / f"{name}.pem" for name in prints}
        root, policy = self.folder / "root.json", self.folder / "policy.json"
        self.run("patchline", "trust", "root", "--key", pem[_HOLDER], "--threshold", 1, "--out", root)
        people = ["--builder", f"builder={pem['builder']}", "--release", pem["release"], "--threshold", 2]
        people += [word for name in ("ada", "ben") for word in ("--approver", f"{name}={pem[name]}")]
        self.run("patchline", "trust", "policy", "--product", self.product, *people, "--out", policy)
        heard = [word for name in _PEOPLE for word in ("--fingerprint", prints[name])]
        self.run("patchline", "trust", "sign", root, "--key", _HOLDER)
        self.run("patchline", "trust", "sign", policy, "--key", _HOLDER, *heard)
        self.run("patchline", "trust", "file", "--root", root, "--policy", policy, "--out", self.trust)

    def _key(self, name: str) -> str:
        made = self.run("patchline", "key", "new", name)
        shown = subprocess.run(
            self.line("patchline", "key", "public", name), check=True, capture_output=True, env=self.environment
        )
        (self.folder / f"{name}.pem").write_bytes(shown.stdout)
        return str(made["fingerprint"])

    def build(self, source: list[object], baseline: str, out: Path) -> dict[str, Any]:
        """Build a bundle with one fix."""
        named = ["--id", "HF-2026-0001", "--product", self.product, "--baseline", baseline, "--fix", "FIX-1=All of it"]
        if "--repo" in source:  # Tags are remembered by the name of their source, and one product has several here.
            named += ["--repository", str(source[source.index("--repo") + 1])]
        return self.run("patchline", "bundle", "build", *source, *named, "--out", out)

    def sign(self, bundle: Path, repository: Path | None = None) -> None:
        """Sign the provenance and approve twice, the first time after a rebuild where there is a repository."""
        self.run("patchline", "bundle", "sign", bundle, "--key", "builder")
        for name, rebuild in (("ada", ["--repo", repository] if repository else []), ("ben", [])):
            options = ["--key", name, "--trust", self.trust, "--yes", *rebuild]
            self.run("patchline", "bundle", "approve", bundle, *options)


@dataclass(frozen=True)
class CustomerSite:
    """An installation in a folder, with its state folder beside."""

    vendor: Vendor
    root: Path
    state: Path

    def init(self, baseline: str) -> None:
        """Make the folder a site of the vendor's product."""
        heard = str(self.vendor.run("patchline", "trust", "show", self.vendor.trust)["fingerprint"])
        named = ["--product", self.vendor.product, "--baseline", baseline]
        trust = ["--trust", self.vendor.trust, "--fingerprint", heard]
        self.vendor.run("patchline-site", "init", *self.place, *named, *trust)

    @property
    def place(self) -> list[object]:
        """The options that name the site."""
        return ["--root", self.root, "--state", self.state]

    def run(self, command: str, *arguments: object) -> dict[str, Any]:
        """Run a command of the customer's program here."""
        return self.vendor.run("patchline-site", command, *arguments, *self.place)
