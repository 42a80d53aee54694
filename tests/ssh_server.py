"""A real SSH server for tests: OpenSSH's sshd on loopback, with keys and accounts that exist for it alone.

Accounts with passwords stand in files that only this server sees in place of the machine's: it runs in a mount
namespace of its own, which takes root. Certificates of an authority are taken where the test names one.
"""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

from tests.bao import free_port

PROGRAM = shutil.which("sshd", path="/usr/sbin:/usr/bin:/usr/local/sbin")

_SETTINGS = """\
ListenAddress 127.0.0.1:{port}
HostKey {folder}/host_key
PidFile none
UsePAM no
StrictModes no
PermitRootLogin yes
PasswordAuthentication yes
KbdInteractiveAuthentication no
AuthorizedKeysFile {folder}/keys/%u
AuthorizedPrincipalsFile {folder}/principals/%u
MaxAuthTries 6
MaxStartups 100
UseDNS no
{more}
"""


@cache
def can_hide_files() -> bool:
    """Tell whether a process may have files of its own in place of the machine's."""
    return subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True).returncode == 0


needs_sshd = pytest.mark.skipif(
    PROGRAM is None or not can_hide_files(),
    reason="an sshd of a test's own takes openssh-server, root and a mount namespace",
)


def make_key(path: Path) -> Path:
    """Make a pair of keys without a passphrase; the public half is beside it."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", path], check=True)
    return path


def make_certificate(authority: Path, key: Path, *principals: str, valid: str = "-1m:+1h") -> str:
    """Have an authority certify a key; returns the certificate."""
    names = ",".join(principals)
    line = ["ssh-keygen", "-q", "-s", authority, "-I", "test", "-n", names, "-V", valid, f"{key}.pub"]
    subprocess.run(line, check=True)
    return Path(f"{key}-cert.pub").read_text()


@dataclass
class Shell:
    """A server that runs.

    Attributes:
        accounts: names and passwords of accounts that exist for this server alone.
    """

    folder: Path
    port: int
    accounts: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"ssh://127.0.0.1:{self.port}"

    @property
    def fingerprint(self) -> str:
        """Of the host's key, as ssh-keygen prints it."""
        line = ["ssh-keygen", "-l", "-E", "sha256", "-f", self.folder / "host_key.pub"]
        return subprocess.run(line, check=True, capture_output=True, text=True).stdout.split()[1]

    def allow_key(self, account: str, public: str) -> None:
        with (self.folder / "keys" / account).open("a") as file:
            file.write(public.rstrip() + "\n")

    def allow_principals(self, account: str, *principals: str) -> None:
        """Say which principals of certificates may come as an account, in place of those before."""
        (self.folder / "principals" / account).write_text("".join(f"{one}\n" for one in principals))

    def write_accounts(self) -> None:
        """Write the accounts; sshd reads them at each login."""
        users, shadows = Path("/etc/passwd").read_text(), Path("/etc/shadow").read_text()
        for number, (name, password) in enumerate(self.accounts.items(), start=21_000):
            hashed = subprocess.run(
                ["openssl", "passwd", "-6", "-stdin"], input=password, check=True, capture_output=True, text=True
            ).stdout.strip()
            users += f"{name}:x:{number}:{number}::{self.folder}/home:/bin/sh\n"
            shadows += f"{name}:{hashed}:20000:0:99999:7:::\n"
        (self.folder / "passwd").write_text(users)
        (self.folder / "shadow").write_text(shadows)

    def start(self) -> None:
        line = [str(PROGRAM), "-D", "-e", "-f", str(self.folder / "sshd_config")]
        self.write_accounts()
        # Root's sshd wants a folder /run/sshd, which the machine has only while its own sshd runs.
        steps = ["mount -t tmpfs tmpfs /run", "mkdir /run/sshd"]
        steps += [f"mount --bind {self.folder}/{name} /etc/{name}" for name in ("passwd", "shadow")]
        line = ["unshare", "--mount", "sh", "-c", " && ".join([*steps, 'exec "$@"']), "sh", *line]
        with (self.folder / "sshd.log").open("ab") as log:
            self.process = subprocess.Popen(line, stdout=log, stderr=log)
        end = time.monotonic() + 20
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                if connection.recv(4) == b"SSH-":
                    return
            assert self.process.poll() is None and time.monotonic() < end, (self.folder / "sshd.log").read_text()
            time.sleep(0.02)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@contextmanager
def serving(accounts: dict[str, str] | None = None, authority: Path | None = None, more: str = "") -> Iterator[Shell]:
    """A server of the test's own.

    Args:
        accounts: names and passwords.
        authority: the public key of the authority whose certificates open accounts.
        more: further settings.
    """
    folder = Path(tempfile.mkdtemp(prefix="patchline-ssh-"))
    folder.chmod(0o755)
    for name in ("keys", "principals", "home"):
        (folder / name).mkdir()
    make_key(folder / "host_key")
    shell = Shell(folder, free_port(), dict(accounts or {}))
    trust = f"TrustedUserCAKeys {authority}\n" if authority else ""
    parts = {"folder": folder, "port": shell.port, "more": trust + more}
    (folder / "sshd_config").write_text(_SETTINGS.format(**parts))
    try:
        shell.start()
        yield shell
    finally:
        shell.stop()
        shutil.rmtree(folder, ignore_errors=True)
