import pytest

from patchline.patches import documents
from patchline.patches.errors import DocumentError, ManifestError, PatchlineError
from patchline.patches.manifest import Manifest
from tests.samples import ABSENT, FOLDER, NEW, OLD, entry, file_state, fix, link_state, manifest_document, sha256


def refused(document):
    with pytest.raises(PatchlineError) as caught:
        Manifest.from_document(document)
    return caught.value.code


def refused_path(path, **changes):
    return refused(manifest_document([entry(path, ABSENT, file_state(NEW))], **changes))


WINDOWS = {"target": {"product": "demo", "baselines": ["1"], "platforms": ["windows"], "requires_products": []}}


def test_parsed_manifest_knows_its_identity_and_payload():
    manifest = Manifest.from_document(
        manifest_document([entry("etc/a.ini", file_state(OLD), file_state(NEW), **{"class": "config"})])
    )
    assert manifest.digest == sha256(manifest.data)
    assert [member.name for member in manifest.payload] == [f"base/{sha256(OLD)}", f"files/{sha256(NEW)}"]
    assert manifest.readme() == f'{sha256(NEW)}  app/"etc/a.ini"\n'.encode()
    assert manifest.label == "HF-2026-0001-r1"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("", "manifest.path-empty"),
        ("/x", "manifest.path-absolute"),
        ("../x", "manifest.path-parent"),
        ("a/../../x", "manifest.path-parent"),
        ("./x", "manifest.path-dot"),
        ("a//b", "manifest.path-double-slash"),
        ("a/", "manifest.path-double-slash"),
        ("a.", "manifest.path-trailing-dot"),
        ("a /b", "manifest.path-trailing-space"),
        ("a\nb", "manifest.path-control"),
        ("a\x1bb", "manifest.path-control"),
        ("a\0b", "manifest.path-control"),
        ("a\u202eb", "manifest.path-bidi"),
        ("--checkpoint-action=exec=sh", "manifest.path-dash"),
        ("a" * 256, "manifest.path-component-too-long"),
        ("/".join(["a" * 200] * 6), "manifest.path-too-long"),
        (".patchline/state", "manifest.path-reserved-folder"),
        (".PatchLine", "manifest.path-reserved-folder"),
    ],
)
def test_path_that_no_site_should_hold_is_refused_with_its_own_code(path, code):
    assert refused_path(path) == code


@pytest.mark.parametrize("path", ["..\\x", "C:x", "a:b", "a?", "a*b"])
def test_characters_windows_cannot_hold_are_refused_for_windows_only(path):
    assert refused_path(path, **WINDOWS) == "manifest.path-character"
    Manifest.from_document(manifest_document([entry(path, ABSENT, file_state(NEW))]))


@pytest.mark.parametrize("path", ["CON.txt", "nul", "x/COM1.x", "lpt9"])
def test_reserved_names_are_refused_for_windows(path):
    assert refused_path(path, **WINDOWS) == "manifest.path-reserved"


def test_case_twins_are_refused_where_case_does_not_matter():
    files = [entry("Lib/a", ABSENT, file_state(NEW)), entry("lib/b", ABSENT, file_state(NEW))]
    assert refused(manifest_document(files, **WINDOWS)) == "manifest.path-case-twin"
    Manifest.from_document(manifest_document(files))


def test_normal_form_twins_are_refused_everywhere():
    files = [entry("\u00e9", ABSENT, file_state(NEW)), entry("e\u0301", ABSENT, file_state(NEW))]
    assert refused(manifest_document(files)) == "manifest.path-normal-form-twin"


@pytest.mark.parametrize(
    ("target", "code"),
    [("/etc/passwd", "link-absolute"), ("../../x", "link-escape"), ("a/../../../x", "link-escape")],
)
def test_link_that_leaves_its_root_is_refused(target, code):
    assert refused(manifest_document([entry("d/l", ABSENT, link_state(target))])) == f"manifest.{code}"


def test_link_within_its_root_is_carried():
    Manifest.from_document(manifest_document([entry("d/l", ABSENT, link_state("../x"))]))


def test_path_below_a_link_is_refused():
    files = [entry("d", FOLDER, link_state("x")), entry("d/a", ABSENT, file_state(NEW))]
    assert refused(manifest_document(files)) == "manifest.path-below-file"


def test_folder_can_become_a_file():
    Manifest.from_document(
        manifest_document([entry("d", FOLDER, file_state(NEW)), entry("d/a", file_state(OLD), ABSENT)])
    )


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"format": 2}, "manifest.format"),
        ({"min_client": "1.1"}, "manifest.client"),
        ({"critical": ["quantum"]}, "manifest.critical"),
        ({"kind": "test"}, "manifest.client"),
        ({"guidance": ["dance"]}, "manifest.client"),
        ({"hotfix": "hf1"}, "manifest.identifier"),
        ({"revision": True}, "manifest.type"),
        ({"revision": 0}, "manifest.value"),
        ({"contributors": []}, "manifest.empty"),
        ({"contributors": ["b", "a"]}, "manifest.unsorted"),
        ({"fixes": [fix(), fix()]}, "manifest.duplicate"),
        ({"files": []}, None),
        ({"files": [], "guidance": []}, "manifest.empty"),
        ({"kind": "diagnostic"}, "manifest.value"),
        ({"kind": "diagnostic", "expires": "2027-01-01"}, None),
        ({"database": [{}]}, "manifest.client"),
        ({"colour": "blue"}, None),
    ],
)
def test_field_rules(changes, code):
    document = manifest_document(**changes)
    if code is None:
        assert Manifest.from_document(document).data == documents.encode(document)
    else:
        assert refused(document) == code


def test_state_that_is_also_the_result_is_refused():
    assert refused(manifest_document([entry("a", [file_state(OLD), file_state(NEW)], file_state(NEW))])) == (
        "manifest.pre-is-post"
    )


def test_hotfix_cannot_require_itself():
    relations = manifest_document()["relations"] | {"requires": [{"hotfix": "HF-2026-0001", "revision": 1}]}
    assert refused(manifest_document(relations=relations)) == "manifest.relation"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b'{"a":1,"a":2}', "duplicate-key"),
        (b'{"a":NaN}', "number"),
        (b'{"a":Infinity}', "number"),
        (b'{"a":1e400}', "number"),
        (b'{"a":1.5}', "number"),
        (b'{"a":9007199254740992}', "integer-range"),
        (b'{"a":' + b"9" * 5000 + b"}", "integer-range"),
        (b"[" * 900 + b"]" * 900, "depth"),
        (b"[" * 100_000, "too-many-values"),
        (b"[" * 40 + b"]" * 40, "depth"),
        (b"\xef\xbb\xbf{}", "byte-order-mark"),
        (b'{"a":"\\ud800"}', "surrogate"),
        (b'{"a":"\\u0041"}', "not-canonical"),
        (b'{"a": 1}', "not-canonical"),
        (b'{"b":1,"a":1}', "not-canonical"),
        (b'{"a":-0}', "not-canonical"),
        (b"\xff", "encoding"),
        (b"{", "syntax"),
        (b"", "syntax"),
    ],
)
def test_bytes_that_are_not_canonical_json_are_refused(data, code):
    with pytest.raises(DocumentError) as caught:
        documents.decode(data, what="test")
    assert caught.value.code == f"document.{code}"


def test_manifest_that_is_no_object_is_refused():
    with pytest.raises(ManifestError) as caught:
        Manifest.parse(b"[]")
    assert caught.value.code == "manifest.type"
