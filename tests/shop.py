"""The vendor of the docs: a repository with two releases, and everybody's keys, each in a home of their own."""

import subprocess
from pathlib import Path

from tests.programs import run

TREES = {
    "v4.1.2": {"bin/shop": "#!/bin/sh\necho total: 41\n", "VERSION": "4.1.2\n"},
    "v4.1.3": {"bin/shop": "#!/bin/sh\necho total: 42\n", "VERSION": "4.1.2\n"},
}
PEOPLE = """\
key = "a secret of at least 32 characters, made up for this test"

[people]
walt = ["walt@example.com"]
"""
OFFLINE = ("olga", "omar", "otto")
APPROVERS = ("ada", "ben", "walt")


def repository(folder: Path) -> None:
    """Make the repository: Walt mends a bug between two tags."""
    who = ["-c", "user.name=Walt", "-c", "user.email=walt@example.com"]
    subprocess.run(["git", "init", "-q", folder], check=True)
    for tag, tree in TREES.items():
        for path, text in tree.items():
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_text(text)
        (folder / "bin" / "shop").chmod(0o755)
        for line in (["add", "."], ["commit", "-q", "-m", f"Make {tag}"], ["tag", tag]):
            subprocess.run(["git", "-C", folder, *who, *line], check=True)


def person(folder: Path, name: str, *arguments: object):
    """Run `patchline` as a person, in their home below the folder."""
    home = folder / "homes" / name
    home.mkdir(parents=True, exist_ok=True)
    own = {"HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config")}
    return run("patchline", *arguments, passphrase=name, cwd=folder, environment=own)


def ceremony(folder: Path) -> None:
    """Make everybody's keys, root, policy, trust file and the file of people."""
    for name in (*OFFLINE, *APPROVERS, "bob", "release"):
        person(folder, name, "key", "new", name)
        (folder / f"{name}.pem").write_text(person(folder, name, "key", "public", name).out)
    keys = [word for name in OFFLINE for word in ("--key", f"{name}.pem")]
    person(folder, "olga", "trust", "root", *keys, "--threshold", 2, "--out", "root.json")
    approvers = [word for name in APPROVERS for word in ("--approver", f"{name}={name}.pem")]
    others = ["--builder", "bob=bob.pem", "--release", "release.pem", "--threshold", 2]
    person(folder, "olga", "trust", "policy", "--product", "shop", *approvers, *others, "--out", "policy.json")
    for name in OFFLINE[:2]:
        sign(folder, name, "root.json", OFFLINE)
        sign(folder, name, "policy.json", (*APPROVERS, "bob", "release"))
    person(folder, "olga", "trust", "file", "--root", "root.json", "--policy", "policy.json", "--out", "shop.trust")
    (folder / "people.toml").write_text(PEOPLE)


def sign(folder: Path, name: str, document: str, holders: tuple[str, ...]) -> None:
    """Sign a root or policy, having heard the fingerprint of every key that is not one's own."""
    heard = [word for other in holders if other != name for word in ("--fingerprint", fingerprint(folder, other))]
    person(folder, name, "trust", "sign", document, "--key", name, *heard)


def fingerprint(folder: Path, name: str) -> str:
    return str(person(folder, name, "key", "fingerprint", name).out.strip())
