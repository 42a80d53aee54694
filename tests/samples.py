"""Small whole manifests to start from; a test changes what it is about."""

import hashlib
from typing import Any

OLD, NEW = b"old\n", b"new\n"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def file_state(data: bytes, executable: bool = False) -> dict[str, Any]:
    return {"type": "file", "sha256": sha256(data), "size": len(data), "executable": executable}


ABSENT = {"type": "absent"}
FOLDER = {"type": "folder"}


def link_state(target: str) -> dict[str, Any]:
    return {"type": "link", "target": target}


def entry(path: str, pre: Any, post: Any, **changes: Any) -> dict[str, Any]:
    pre = pre if isinstance(pre, list) else [pre]
    base = {"root": "app", "path": path, "pre": pre, "post": post, "class": "code", "optional": False}
    return {**base, "fixes": ["BUG-1"], **changes}


def fix(name: str = "BUG-1", **changes: Any) -> dict[str, Any]:
    return {"id": name, "title": f"Mend {name}", "coverage": "full", "cve": [], **changes}


def manifest_document(files: list[dict[str, Any]] | None = None, **changes: Any) -> dict[str, Any]:
    files = [entry("a.txt", file_state(OLD), file_state(NEW))] if files is None else files
    return {
        "format": 1,
        "hotfix": "HF-2026-0001",
        "revision": 1,
        "kind": "one-off",
        "severity": "moderate",
        "title": "Mend BUG-1",
        "min_client": "1.0",
        "critical": [],
        "target": {"product": "demo", "baselines": ["1.0"], "platforms": ["linux"], "requires_products": []},
        "fixes": [fix()],
        "relations": {"requires": [], "conflicts": [], "supersedes": [], "includes": [], "merges": []},
        "provenance": {
            "kind": "git",
            "repository": "demo",
            "base_tag": "1.0",
            "base_commit": "a" * 40,
            "head_commit": "b" * 40,
            "base_tree": "c" * 40,
            "head_tree": "d" * 40,
            "commits": ["b" * 40],
        },
        "contributors": ["ada"],
        "files": sorted(files, key=lambda item: (item["root"], item["path"])),
        "scripts": [],
        "steps": [],
        "checks": [],
        "guidance": ["none"],
        "database": [],
        **changes,
    }
