"""A vendor's people around one register, by command lines alone.

Everybody has a home of their own; what they hand to each other lies in one folder. The register is one of SQLite or
PostgreSQL; nothing else differs.
"""

from pathlib import Path

from tests import shop
from tests.programs import Outcome, run
from tests.registers import empty_database

STAFF = {"walt": "engineer", "bob": "engineer", "ada": "engineer", "ben": "engineer"}


class Company:
    """People around one register."""

    def __init__(self, folder: Path, backend: str) -> None:
        self.folder, self.home = folder, folder / "server"
        database = [] if backend == "sqlite" else ["--database", empty_database(backend, folder)]
        self.server("init", "--person", "rita", "--name", "Shop Ltd", *database)

    def server(self, *arguments: object, by: str = "rita", expect: int = 0) -> Outcome:
        """Run a command on the register, as whoever sits at the server."""
        where = {"PATCHLINE_HOME": str(self.home), "PATCHLINE_PERSON": by}
        return run("patchline", *arguments, passphrase="server", cwd=self.folder, environment=where, expect=expect)

    def own(self, name: str, *arguments: object, expect: int = 0) -> Outcome:
        """Run a command with one's own key, in one's own home, far from the server."""
        home = self.folder / "homes" / name
        home.mkdir(parents=True, exist_ok=True)
        own = {"HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config")}
        return run("patchline", *arguments, passphrase=name, cwd=self.folder, environment=own, expect=expect)

    def hold_ceremony(self) -> None:
        online, kit = self.home / "keys" / "online.pem", self.home / "keys" / "kit.pem"
        for name in (*shop.OFFLINE, *shop.APPROVERS, "bob", "release"):
            self.own(name, "key", "new", name)
            (self.folder / f"{name}.pem").write_text(self.own(name, "key", "public", name).out)
        keys = [word for name in shop.OFFLINE for word in ("--key", f"{name}.pem")]
        self.own("olga", "trust", "root", *keys, "--threshold", 2, "--online", online, "--out", "root.json")
        self.own("olga", "trust", "root", *keys, "--threshold", 2, "--kit", kit, "--out", "kit-root.json")
        approvers = [word for name in shop.APPROVERS for word in ("--approver", f"{name}={name}.pem")]
        others = ["--builder", "bob=bob.pem", "--release", "release.pem", "--threshold", 2]
        self.own("olga", "trust", "policy", "--product", "shop", *approvers, *others, "--out", "policy.json")
        for name in shop.OFFLINE[:2]:
            self.sign(name, "root.json", *shop.OFFLINE, online)
            self.sign(name, "kit-root.json", kit)
            self.sign(name, "policy.json", *shop.APPROVERS, "bob", "release")
        both = ["--publisher", online, "--status", online]
        self.own("olga", "trust", "targets", "--root", "root.json", *both, "--out", "targets.json")
        for name in shop.OFFLINE[:2]:
            self.sign(name, "targets.json", online)
        files = ["--root", "root.json", "--policy", "policy.json"]
        self.own("olga", "trust", "file", *files, "--out", "shop.trust")
        (self.folder / "people.toml").write_text(shop.PEOPLE)

    def sign(self, name: str, document: str, *holders: object) -> None:
        heard = []
        for holder in holders:
            if holder != name:
                told = self.own(str(holder) if isinstance(holder, str) else name, "key", "fingerprint", holder)
                heard += ["--fingerprint", told.out.strip()]
        self.own(name, "trust", "sign", document, "--key", name, *heard)

    def fill_register(self) -> None:
        self.server("channel", "root", "root.json", "kit-root.json", "targets.json")
        for name, role in STAFF.items():
            self.server("person", "add", name, "--role", role)
        self.server("product", "add", "shop", "--name", "Web shop", "--repo", self.folder / "shop")
        self.server("product", "policy", "shop", "policy.json")

    def add_baselines(self, *labels: str) -> None:
        for label in labels:
            self.server("baseline", "add", label, "--product", "shop", "--tag", f"v{label}")

    def show(self, identifier: str) -> dict:
        return self.server("hotfix", "show", identifier, "--json").document
