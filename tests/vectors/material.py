"""The good release that every vector starts from."""

import hashlib
import json
from typing import Any

from tests.samples import ABSENT, FOLDER, entry, file_state, link_state, manifest_document
from tests.vectors.packing import Part, gzip, member, tar

OLD_CODE, NEW_CODE = b"print('old')\n", b"print('mended')\n"
OLD_CONFIG, NEW_CONFIG = b"port = 80\n", b"port = 443\n"
ADDED = b"".join(b"line %d of an added file\n" % number for number in range(4))
SCRIPT = b"#!/bin/sh\nexit 0\n"
BODIES = (OLD_CODE, NEW_CODE, OLD_CONFIG, NEW_CONFIG, ADDED, SCRIPT, b"")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def canonical(document: Any) -> bytes:
    """Return canonical JSON by other means than the product: enough for ASCII keys and integers."""
    return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def step(**changes: Any) -> dict[str, Any]:
    base = {"id": "check", "kind": "script", "phase": "health", "script": sha256(SCRIPT), "interpreter": "/bin/sh"}
    rest = {"args": [], "timeout_s": 30, "root": False, "idempotent": True, "irreversible": False, "on": "both"}
    return {**base, **rest, **changes}


CONFIG = entry("conf/app.ini", file_state(OLD_CONFIG), file_state(NEW_CONFIG), **{"class": "config"})


def document(files: list[dict[str, Any]] | None = None, **changes: Any) -> dict[str, Any]:
    """Return a small manifest, changed: one configuration file, so that the payload has a member of each kind."""
    return manifest_document([CONFIG] if files is None else files, **changes)


def rich_document() -> dict[str, Any]:
    """Return a manifest with most of what one can hold."""
    files = [
        CONFIG,
        entry("app.py", file_state(OLD_CODE), file_state(NEW_CODE, executable=True)),
        entry("docs/added file.txt", ABSENT, file_state(ADDED)),
        entry("docs/caf\u00e9 \U0001f600", ABSENT, link_state("added file.txt")),
        entry("empty", ABSENT, file_state(b"")),
        entry("folder", ABSENT, FOLDER),
        entry("gone.txt", [file_state(OLD_CODE), ABSENT], file_state(OLD_CODE, executable=True), optional=True),
        entry("settled", [file_state(OLD_CONFIG), FOLDER], ABSENT),
        entry("app.py", ABSENT, file_state(NEW_CODE), root="etc"),
    ]
    scripts = [{"sha256": sha256(SCRIPT), "size": len(SCRIPT)}]
    return document(files, scripts=scripts, steps=[step()], checks=["check"], guidance=["restart-service:demo"])


def readme(manifest: dict[str, Any]) -> bytes:
    lines = []
    for item in manifest["files"]:
        digest = item["post"].get("sha256", "-" * 64)
        lines.append(f"{digest}  {item['root']}/{json.dumps(item['path'], ensure_ascii=False)}\n")
    return "".join(lines).encode()


def payload_parts(manifest: dict[str, Any]) -> list[Part]:
    """Return the members of a payload as the format describes them."""
    contents = {sha256(body): body for body in BODIES}
    names = {f"scripts/{script['sha256']}" for script in manifest["scripts"]}
    for item in manifest["files"]:
        if item["post"]["type"] == "file":
            names.add(f"files/{item['post']['sha256']}")
        if item["class"] == "config":
            names.update(f"base/{state['sha256']}" for state in item["pre"] if state["type"] == "file")
    parts = [member(name, contents[name.partition("/")[2]]) for name in sorted(names)]
    return [*parts, member("README.txt", readme(manifest))]


def payload(manifest: dict[str, Any] | None = None) -> bytes:
    return gzip(tar(payload_parts(document() if manifest is None else manifest)))


def container_parts(manifest: bytes, packed: bytes) -> list[Part]:
    return [member("format", b"1\n"), member("manifest.json", manifest), member("payload.tar.gz", packed)]


def container(manifest: bytes | None = None, packed: bytes | None = None) -> bytes:
    """Return a bundle whose archive is well-formed, whatever it holds."""
    manifest = canonical(document()) if manifest is None else manifest
    return tar(container_parts(manifest, payload() if packed is None else packed))
