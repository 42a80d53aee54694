"""A real LDAP directory for tests: Debian's slapd in a folder of its own on loopback; nothing of the machine's is touched.

Its tree is `dc=lab`: people in `ou=people`, and `cn=keeper`, who may add and change them.
"""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from patchline.releaser.setups.targets.directory import ldap3
from tests.bao import free_port

PROGRAM = shutil.which("slapd", path="/usr/sbin:/usr/bin:/usr/local/sbin")
KEEPER, KEEPERS_PASSWORD = "cn=keeper,dc=lab", "keeper-of-the-lab"

needs_slapd = pytest.mark.skipif(PROGRAM is None, reason="Debian's slapd is not installed")

_SETTINGS = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
pidfile {folder}/slapd.pid
modulepath /usr/lib/ldap
moduleload back_mdb
{tls}
{more}
database mdb
suffix "dc=lab"
rootdn "{keeper}"
rootpw {password}
directory {folder}/data
dbnosync
access to attrs=userPassword by self write by anonymous auth by * none
access to * by self write by users read by * none
"""


@dataclass
class Directory:
    """A directory that runs."""

    folder: Path
    port: int
    secure_port: int | None
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"ldap://127.0.0.1:{self.port}"

    @contextmanager
    def keeper(self) -> Iterator[ldap3.Connection]:
        server = ldap3.Server("127.0.0.1", self.port, get_info=ldap3.NONE)
        connection = ldap3.Connection(server, KEEPER, KEEPERS_PASSWORD, auto_bind=True, raise_exceptions=True)
        try:
            yield connection
        finally:
            connection.unbind()

    def add(self, name: str, password: str) -> str:
        """Add a person; returns the name to log in with."""
        dn = f"cn={name},ou=people,dc=lab"
        with self.keeper() as connection:
            connection.add(dn, "inetOrgPerson", {"sn": name, "userPassword": password})
        return dn

    def start(self) -> None:
        listens = f"ldap://127.0.0.1:{self.port}/"
        listens += f" ldaps://127.0.0.1:{self.secure_port}/" if self.secure_port else ""
        line = [str(PROGRAM), "-f", str(self.folder / "slapd.conf"), "-h", listens, "-d", "0"]
        with (self.folder / "slapd.log").open("ab") as log:
            self.process = subprocess.Popen(line, stdout=log, stderr=log)
        end = time.monotonic() + 20
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            assert self.process.poll() is None and time.monotonic() < end, (self.folder / "slapd.log").read_text()
            time.sleep(0.02)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@contextmanager
def serving(certificate: tuple[Path, Path] | None = None, more: str = "") -> Iterator[Directory]:
    """A directory of the test's own.

    Args:
        certificate: with it, LDAPS and StartTLS are offered.
        more: further settings of the whole server.
    """
    folder = Path(tempfile.mkdtemp(prefix="patchline-ldap-"))
    (folder / "data").mkdir()
    tls = "TLSCertificateFile {}\nTLSCertificateKeyFile {}".format(*certificate) if certificate else ""
    parts = {"folder": folder, "tls": tls, "more": more, "keeper": KEEPER, "password": KEEPERS_PASSWORD}
    (folder / "slapd.conf").write_text(_SETTINGS.format(**parts))
    directory = Directory(folder, free_port(), free_port() if certificate else None)
    try:
        directory.start()
        with directory.keeper() as connection:
            connection.add("dc=lab", ["dcObject", "organization"], {"o": "lab"})
            connection.add("ou=people,dc=lab", "organizationalUnit")
        yield directory
    finally:
        directory.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def directory() -> Iterator[Directory]:
    """Give the directory of this process: tests add people of their own."""
    with serving() as found:
        yield found
