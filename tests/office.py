"""The vendor of the docs with a register and a channel: what the pages take for granted before their second parts.

Everybody's passphrase is their name. The server's two keys are opened by credentials, as systemd hands them over.
"""

import io
import subprocess
import zipfile
from pathlib import Path

from tests import shop
from tests.programs import run

PEOPLE = {"rita": "release-manager", "bob": "engineer"}
HOTFIX = "HF-2026-0012"
JARS = {"v4.0.0": "2.14.1", "v4.1.0": "2.14.1", "fix-log4j": "2.17.1", "v4.2.0": "2.17.1"}


def environment(folder: Path) -> dict[str, str]:
    """Return what the commands of the register need: its home, and what opens the server's keys."""
    credentials = folder / "credentials"
    credentials.mkdir(exist_ok=True)
    for name in ("online", "kit"):
        (credentials / f"patchline-{name}").write_text("server")
    return {"PATCHLINE_HOME": str(folder / "register"), "CREDENTIALS_DIRECTORY": str(credentials)}


def server(folder: Path, by: str, *arguments: object):
    """Run a command of the register as a person."""
    return run("patchline", *arguments, cwd=folder, environment={**environment(folder), "PATCHLINE_PERSON": by})


def found(folder: Path, channel: str = "https://updates.example/shop") -> None:
    """Make register and channel with the keys of `shop.ceremony`; product, policy and people; a trust file for sites."""
    server(folder, "sam", "init", "--name", "Example Ltd")
    for name in ("online", "kit"):
        (folder / f"{name}.pem").write_bytes((folder / "register" / "keys" / f"{name}.pem").read_bytes())
    keys = [word for name in shop.OFFLINE for word in ("--key", f"{name}.pem")]
    made = ("trust", "root", *keys, "--threshold", 2)
    shop.person(folder, "olga", *made, "--online", "online.pem", "--previous", "root.json", "--out", "root-2.json")
    shop.person(folder, "olga", *made, "--kit", "kit.pem", "--out", "kit-root.json")
    both = ("--publisher", "online.pem", "--status", "online.pem")
    shop.person(folder, "olga", "trust", "targets", "--root", "root-2.json", *both, "--out", "targets.json")
    heard = {
        name: run("patchline", "key", "fingerprint", folder / f"{name}.pem").out.strip() for name in ("online", "kit")
    }
    for name in shop.OFFLINE[:2]:
        for document, key in (("root-2.json", "online"), ("kit-root.json", "kit"), ("targets.json", "online")):
            shop.person(folder, name, "trust", "sign", document, "--key", name, "--fingerprint", heard[key])
    server(folder, "sam", "channel", "root", "root.json", "root-2.json", "kit-root.json", "targets.json")
    server(folder, "sam", "product", "add", "shop", "--name", "Web shop", "--repo", "shop")
    server(folder, "sam", "product", "policy", "shop", "policy.json")
    for name, role in PEOPLE.items():
        server(folder, "sam", "person", "add", name, "--role", role)
    (folder / "shop.trust").unlink()
    papers = ("--root", "root-2.json", "--policy", "policy.json", "--channel", channel)
    shop.person(folder, "olga", "trust", "file", *papers, "--out", "shop.trust")


def in_review(folder: Path) -> None:
    """Bob builds, signs and submits the hotfix of the pages."""
    server(folder, "sam", "baseline", "add", "4.1.2", "--product", "shop", "--tag", "v4.1.2")
    named = ("--product", "shop", "--baseline", "4.1.2", "--title", "The total counts every item", "--fix", "BUG-7")
    server(folder, "bob", "hotfix", "new", "--id", HOTFIX, *named)
    server(folder, "bob", "hotfix", "build", HOTFIX, "--head", "v4.1.3", "--people", "people.toml")
    shop.person(folder, "bob", "bundle", "sign", f"{HOTFIX}-r1.hotfix", "--key", "bob")
    server(folder, "bob", "hotfix", "submit", HOTFIX, "--provenance", f"{HOTFIX}-r1.hotfix.provenance.jsonl")


def published(folder: Path) -> None:
    """Ada and Ben approve it, the release key signs, Rita publishes; a recall signed by both lies ready."""
    bundle = f"{HOTFIX}-r1.hotfix"
    for name, more in (("ada", ("--repo", "shop", "--people", "people.toml")), ("ben", ())):
        signs = ("--key", name, "--trust", "shop.trust", "--yes")
        shop.person(folder, name, "bundle", "approve", bundle, *signs, *more)
        server(folder, "rita", "hotfix", "approve", HOTFIX, "--statement", f"{bundle}.approvals.jsonl")
    shop.person(folder, "release", "bundle", "release", bundle, "--key", "release", "--trust", "shop.trust")
    server(folder, "rita", "hotfix", "publish", HOTFIX, "--release", f"{bundle}.sha256")
    said = ("--reason", "it loses orders", "--trust", "shop.trust", "--yes")
    recall = f"{HOTFIX}-r1.recall.jsonl"
    shop.person(folder, "ada", "recall", "propose", bundle, *said, "--key", "ada", "--out", recall)
    shop.person(folder, "ben", "recall", "confirm", recall, "--key", "ben", "--trust", "shop.trust", "--yes")


def next_release(folder: Path) -> None:
    """A release of the shop that was cut before the fix."""
    repository = folder / "shop"
    who = ["-c", "user.name=Walt", "-c", "user.email=walt@example.com"]
    subprocess.run(["git", "-C", repository, "checkout", "-q", "-b", "next", "v4.1.2"], check=True)
    (repository / "VERSION").write_text("4.2.0\n")
    for line in (["commit", "-q", "-a", "-m", "Make v4.2.0"], ["tag", "v4.2.0"], ["checkout", "-q", "-"]):
        subprocess.run(["git", "-C", repository, *who, *line], check=True)


def java_releases(folder: Path) -> None:
    """Three more releases of the shop, two of them with a library that lets code from log lines run; and its fix."""
    repository = folder / "shop"
    who = ["-c", "user.name=Walt", "-c", "user.email=walt@example.com"]
    for tag, version in JARS.items():
        for earlier in repository.glob("lib/*.jar"):
            earlier.unlink()
        (repository / "lib").mkdir(exist_ok=True)
        (repository / "lib" / f"log4j-core-{version}.jar").write_bytes(jar(version))
        if tag != "fix-log4j":
            (repository / "VERSION").write_text(f"{tag[1:]}\n")
        for line in (["add", "-A"], ["commit", "-q", "-m", f"Make {tag}"], ["tag", tag]):
            subprocess.run(["git", "-C", repository, *who, *line], check=True)


def jar(version: str) -> bytes:
    """A library as Maven makes one."""
    told = f"groupId=org.apache.logging.log4j\nartifactId=log4j-core\nversion={version}\n"
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        for name, text in (
            ("META-INF/maven/org.apache.logging.log4j/log4j-core/pom.properties", told),
            ("org/apache/logging/log4j/core/Core.class", version),
        ):
            file.writestr(zipfile.ZipInfo(name), text)
    return made.getvalue()
