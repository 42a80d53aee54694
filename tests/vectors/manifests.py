"""Vectors of the manifest: JSON, fields and paths. Each bad manifest is signed and approved as it is."""

from typing import Any

from tests.samples import ABSENT, FOLDER, NEW, entry, file_state, fix, link_state
from tests.vectors import material
from tests.vectors.cases import Delivery, register
from tests.vectors.packing import gzip, header, member, tar
from tests.vectors.release import deliver

GOOD = material.canonical(material.document())


NO_PAYLOAD = gzip(tar([member("README.txt", b"")]))


def signed(manifest: bytes) -> Delivery:
    """Deliver a manifest with everything signed; its payload is empty, for nobody should look at it."""
    return deliver(manifest=manifest, bundle=material.container(manifest, NO_PAYLOAD))


def json_case(name: str, code: str, manifest: bytes, *entries: int, large: bool = False) -> None:
    register(f"json-{name}", code, lambda: signed(manifest), entries=entries, large=large)


def replaced(old: bytes, new: bytes) -> bytes:
    if GOOD.count(old) != 1:
        raise ValueError(f"{old!r} does not stand once in the good manifest")
    return GOOD.replace(old, new)


REVISION = b'"revision":1,'


def number(text: bytes) -> bytes:
    return replaced(REVISION, b'"revision":' + text + b",")


json_case("duplicate-key", "document.duplicate-key", replaced(REVISION, REVISION * 2), 60)
json_case("duplicate-key-other", "document.duplicate-key", replaced(REVISION, b'"revision":9,' + REVISION), 60)
json_case("nan", "document.number", number(b"NaN"), 61)
json_case("infinity", "document.number", number(b"-Infinity"), 61)
json_case("exponent", "document.number", number(b"1e400"), 61)
json_case("float", "document.number", number(b"1.0"), 62)
json_case("integer-beyond-2-53", "document.integer-range", number(b"9007199254740993"), 63)
json_case("true-as-integer", "manifest.type", number(b"true"), 64)
json_case("deep-40", "document.depth", number(b"[" * 40 + b"]" * 40), 65)
json_case("deep", "document.too-many-values", b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 65, large=True)
json_case("integer-of-5000-digits", "document.integer-range", number(b"9" * 5000), 66)
json_case("byte-order-mark", "document.byte-order-mark", b"\xef\xbb\xbf" + GOOD, 67)
json_case("surrogate", "document.surrogate", GOOD.replace(b'"Mend BUG-1"', b'"\\ud800"', 1), 68)
json_case("escape", "document.not-canonical", GOOD.replace(b'"Mend BUG-1"', b'"\\u004dend BUG-1"', 1), 69)
json_case("white-space", "document.not-canonical", replaced(REVISION, b'"revision": 1,'), 69)
json_case("line-feed-at-end", "document.not-canonical", GOOD + b"\n", 69)
json_case("key-order", "document.not-canonical", replaced(REVISION, b"")[:-1] + b"," + REVISION[:-1] + b"}", 69)
json_case("not-utf-8", "document.encoding", GOOD.replace(b"Mend BUG-1", b"Mend \xff\xfe", 1), 16)
json_case("cut", "document.syntax", GOOD[:-1])
json_case("array", "manifest.type", b"[]")
json_case("empty", "document.syntax", b"")


def huge() -> Delivery:
    parts = [member("format", b"1\n")]
    return deliver(bundle=tar(parts, header(b"manifest.json", 100 << 20) + bytes(100 << 20)))


register("json-100-mib", "document.too-large", huge, entries=(70,), large=True)


HUGE = b'{"a":[' + b'"",' * (19 << 20) + b'""]}'


def unsigned() -> Delivery:
    """Deliver 57 MiB that a gigabyte of memory would not hold, beside the sidecars of another manifest."""
    good = deliver()
    return Delivery(material.container(HUGE, NO_PAYLOAD), good.provenance, good.approvals, good.trust)


json_case("million-lists", "document.too-many-values", b'{"a":[' + b"[]," * 300_000 + b"[]]}", 65, large=True)
json_case("million-lists-signed", "document.too-many-values", b'{"a":[' + b"[]," * 9_000_000 + b"[]]}", 65, large=True)
register("json-57-mib-unsigned", "statement.subject", unsigned, entries=(70,), large=True)


def field_case(name: str, code: str, *entries: int, **changes: Any) -> None:
    register(
        f"field-{name}",
        f"manifest.{code}",
        lambda: signed(material.canonical(material.document(**changes))),
        entries=entries,
    )


def relation(key: str, *references: dict[str, Any]) -> dict[str, Any]:
    return {**material.document()["relations"], key: list(references)}


OWN = {"hotfix": "HF-2026-0001", "revision": 1}
OTHER = {"hotfix": "HF-2026-0002", "revision": 1}
DIGEST = "a" * 64
field_case("format-2", "format", 71, format=2)
field_case("newer-client", "client", 71, min_client="99.0")
field_case("critical-unknown", "critical", 72, critical=["quantum"])
field_case("kind-unknown", "client", kind="experiment")
field_case("guidance-unknown", "client", guidance=["dance"])
field_case("database-step", "client", database=[{"id": "migrate"}])
field_case("hotfix-id", "identifier", hotfix="../HF-1")
field_case("revision-0", "value", revision=0)
field_case("title-with-escape", "value", 13, title="\x1b[2Jall good")
field_case("contributors-none", "empty", contributors=[])
field_case("contributors-unsorted", "unsorted", 73, contributors=["bob", "ada"])
field_case("fix-twice", "duplicate", 73, fixes=[fix(), fix()])
field_case("step-kind-unknown", "client", steps=[material.step(kind="systemd")])
field_case("step-phase-unknown", "client", steps=[material.step(phase="before")])
field_case("step-interpreter", "step-interpreter", 123, steps=[material.step(interpreter="/tmp/sh")])
field_case("step-script-unlisted", "step", 123, steps=[material.step(script=DIGEST)])
field_case("script-without-step", "step", 123, scripts=[{"sha256": DIGEST, "size": 1}])
field_case("requires-itself", "relation", 117, relations=relation("requires", OWN))
field_case("conflicts-with-itself", "relation", 117, relations=relation("conflicts", OWN))
field_case("requires-twice", "duplicate", 117, relations=relation("requires", OTHER, OTHER))
field_case("diagnostic-for-ever", "value", kind="diagnostic")
register(
    "field-entries-100001",
    "manifest.value",
    lambda: signed(material.canonical({**material.document(), "files": [{"path": "some/file"}] * 100_001})),
    entries=(54,),
    large=True,
)


def post(state: Any, path: str = "x", **changes: Any) -> dict[str, Any]:
    return entry(path, ABSENT, state, **changes)


def file_case(name: str, code: str, files: list[dict[str, Any]], *entries: int, platform: str = "linux") -> None:
    target = {**material.document()["target"], "platforms": [platform]}
    manifest = {**material.document(target=target), "files": files}
    register(name, f"manifest.{code}", lambda: signed(material.canonical(manifest)), entries=entries)


def path_case(name: str, code: str, path: str, number: int, platform: str = "linux") -> None:
    file_case(f"path-{name}", code, [post(file_state(NEW), path)], number, platform=platform)


path_case("absolute", "path-absolute", "/etc/cron.d/x", 1)
path_case("parent", "path-parent", "../x", 2)
path_case("nested-parent", "path-parent", "a/../../x", 3)
path_case("dot", "path-dot", "./x", 4)
path_case("double-slash", "path-double-slash", "a//b", 5)
path_case("empty", "path-empty", "", 6)
path_case("backslash", "path-character", "..\\x", 7, "windows")
path_case("drive", "path-character", "C:x", 8, "windows")
path_case("stream", "path-character", "a:b", 9, "windows")
path_case("device", "path-reserved", "CON.txt", 10, "windows")
path_case("device-in-folder", "path-reserved", "a/nul", 10, "windows")
path_case("device-com1", "path-reserved", "COM1.x", 10, "windows")
path_case("trailing-dot", "path-trailing-dot", "x.", 11)
path_case("trailing-space", "path-trailing-space", "x ", 12)
path_case("line-feed", "path-control", "a\nb", 13)
path_case("carriage-return", "path-control", "a\rb", 13)
path_case("escape", "path-control", "a\x1b[2Jb", 13)
path_case("nul", "path-control", "a\0b", 14)
path_case("dash", "path-dash", "--checkpoint-action=exec=sh", 15)
path_case("bidi", "path-bidi", "a\u202egpj.exe", 18)
path_case("chain", "path-too-long", "/".join(["d" * 250] * 17), 27)
path_case("component-256", "path-component-too-long", "d" * 256, 41)
path_case("many-segments", "path-too-long", "/".join(["d"] * 600), 41)
path_case("own-folder", "path-reserved-folder", ".patchline/objects/x", 2)
path_case("own-folder-case", "path-reserved-folder", ".PATCHLINE/x", 19)

STATE = file_state(NEW)
file_case("path-normal-form-twins", "path-normal-form-twin", [post(STATE, "e\u0301"), post(STATE, "\u00e9")], 17)
file_case("path-case-twins", "path-case-twin", [post(STATE, "A"), post(STATE, "a")], 19, platform="windows")
file_case("path-twice", "duplicate", [post(STATE), post(STATE)], 20, 73)
file_case("path-unsorted", "unsorted", [post(STATE, "b"), post(STATE, "a")], 73)
file_case("path-below-file", "path-below-file", [post(STATE, "a"), post(STATE, "a/b")], 21)
file_case("path-file-below-file", "path-below-file", [post(STATE, "a"), post(FOLDER, "a/b")], 22)
file_case("link-outside", "link-escape", [post(link_state("../../etc"), "a")], 23)
file_case("link-absolute", "link-absolute", [post(link_state("/etc/passwd"), "a")], 23)
file_case("link-written-through", "path-below-file", [post(link_state("d"), "a"), post(STATE, "a/b")], 24)
file_case("link-empty", "link-empty", [post({"type": "link", "target": "a\u202eb"}, "a")], 23)
file_case("state-unknown", "client", [post({"type": "device"})], 30)
file_case("state-hard-link", "client", [post({"type": "hard-link", "target": "a"})], 25)
file_case("state-size-2-40", "value", [post({**STATE, "size": 1 << 40})], 55)
file_case("state-size-negative", "value", [post({**STATE, "size": -1})], 36)
file_case("state-upper-case-digest", "value", [post({**STATE, "sha256": "AB" * 32})], 73)
file_case("state-short-digest", "value", [post({**STATE, "sha256": "a" * 63})], 75)
file_case("state-md5", "missing", [post({"type": "file", "md5": "a" * 32, "size": 1, "executable": False})], 73)
file_case("state-set-user-id", "type", [post({**STATE, "executable": 4755})], 38)
file_case("state-two-sizes", "value", [post(STATE, "a"), post({**STATE, "size": 1}, "b")], 73)
file_case("pre-is-post", "pre-is-post", [entry("a", STATE, STATE)])
file_case("fix-unknown", "fixes", [post(STATE, fixes=["BUG-2"])])
