"""Faults of a real OpenBao that other tests do not make: certificates, quotas, a cluster without its head."""

import re
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from patchline.patches.errors import PatchlineError
from patchline.vault.connection import Connection, Server, health
from patchline.vault.login import OwnToken
from tests.bao import Bao, started
from tests.conftest import NOTHING_MAY_BE_SKIPPED


def refused(function, *arguments):
    with pytest.raises(PatchlineError) as caught:
        function(*arguments)
    assert caught.value.hint and caught.value.exit_code == 30
    return caught.value.code


def mounts(connection):
    return connection.ask("the list of mounts", lambda vault: vault.adapter.get("/v1/sys/mounts")["data"], safe=True)


def certificate(folder, name):
    paths = folder / f"{name}.pem", folder / f"{name}.key"
    line = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]
    line += ["-subj", "/CN=vault", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", paths[1], "-out", paths[0]]
    subprocess.run(line, check=True, capture_output=True)
    return paths


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_server_with_tls_is_trusted_by_its_own_authority_alone(tmp_path):
    ours, other = certificate(tmp_path, "ours"), certificate(tmp_path, "other")
    with started(certificate=ours) as bao:
        assert mounts(Connection(bao.server, OwnToken(bao.root)))
        for authority in (other[0], None):
            stranger = Server(bao.address, ca=authority)
            assert refused(mounts, Connection(stranger, OwnToken(bao.root))) == "vault.tls"
            assert refused(health, stranger) == "vault.tls"
        plain = Server(bao.address.replace("https:", "http:"))
        assert refused(mounts, Connection(plain, OwnToken(bao.root))) in ("vault.refused", "vault.answer")


def test_quota_that_is_used_up_is_told_as_busy_and_passes(space):
    quota = {"rate": 1, "interval": "1s", "path": f"{space.name}/"}
    space.bao.client(space.bao.root).adapter.post(f"/v1/sys/quotas/rate-limit/{space.name}", json=quota)
    connection = space.admin

    def ask():
        return connection.ask("the login", lambda vault: vault.adapter.get("/v1/auth/token/lookup-self")["data"])

    codes = set()
    for _ in range(8):
        try:
            ask()
        except PatchlineError as error:
            codes.add(error.code)
    assert codes == {"vault.busy"}
    assert mounts(connection), "what changes nothing is asked again until it passes"


@dataclass
class Node(Bao):
    """A server of a cluster; it joins another, or is the first."""

    first: Bao | None = None

    def write_settings(self):
        path = super().write_settings()
        text = path.read_text()
        (cluster,) = re.findall(r'cluster_addr = "https://(.*)"', text)
        text = text.replace('listener "tcp" {', f'listener "tcp" {{\n  cluster_address = "{cluster}"')
        if self.first is not None:
            join = f'node_id = "two"\n  retry_join {{\n    leader_api_addr = "{self.first.address}"\n  }}'
            text = text.replace('node_id = "one"', join)
        path.write_text(text)
        return path


@contextmanager
def cluster(folder):
    """Two servers; the second has what the first has."""
    for name in ("one", "two"):
        (folder / name).mkdir()
    first = Node(folder / "one")
    second = Node(folder / "two", first=first)
    try:
        first.start()
        first.initialise()
        second.start()
        second.until(lambda: second.client().sys.submit_unseal_key(first.unseal_key))
        second.until(lambda: second.client(first.root).adapter.get("/v1/sys/mounts"))
        yield first, second
    finally:
        first.stop()
        second.stop()


@pytest.mark.skipif(not NOTHING_MAY_BE_SKIPPED, reason="a cluster takes a while: PATCHLINE_REQUIRE_ALL=1 makes one")
def test_standby_passes_questions_on_and_says_so_when_there_is_nobody_to_pass_them_to(tmp_path):
    with cluster(tmp_path) as (first, second):
        connection = Connection(second.server, OwnToken(first.root))
        assert mounts(connection) and health(second.server).state == "standby"
        first.stop()
        assert refused(mounts, connection) == "vault.standby"
