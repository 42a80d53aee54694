"""Make the sample release of the client's self-test: `python -m tests.sample_release` writes it anew."""

import stat
from pathlib import Path

from patchline.patches import bundle, envelopes
from patchline.patches.documents import digest
from patchline.patches.envelopes import Envelope
from patchline.patches.manifest import Manifest
from patchline.patches.provenance import provenance_payload
from patchline.patches.site.rehearsal import BASE, BASELINE, HEAD, HOTFIX, PRODUCT
from patchline.patches.statements import PAYLOAD_TYPE, Subject
from patchline.patches.trust import trust_document
from tests import vendor
from tests.samples import ABSENT, FOLDER, entry, file_state, fix, link_state, manifest_document

FOLDER_OF_SAMPLE = Path(__file__).parent.parent / "patches" / "site" / "sample"


def state_of(found):
    if found is None:
        return ABSENT
    mode, content = found
    if stat.S_ISDIR(mode):
        return FOLDER
    if stat.S_ISLNK(mode):
        return link_state(content.decode())
    return file_state(content, executable=bool(mode & 0o100))


def manifest():
    paths = sorted(path for path in BASE.keys() | HEAD.keys() if BASE.get(path) != HEAD.get(path))
    changes = [(path, state_of(BASE.get(path)), state_of(HEAD.get(path))) for path in paths]
    # Folders come and go with their files.
    files = [entry(path, before, after) for path, before, after in changes if FOLDER not in (before, after)]
    target = {"product": PRODUCT, "baselines": [BASELINE], "platforms": ["linux"], "requires_products": []}
    return Manifest.from_document(
        manifest_document(files, hotfix=HOTFIX, fixes=[fix()], target=target, contributors=["walt"])
    )


def write(folder):
    made = manifest()
    contents = {digest(content): content for tree in (BASE, HEAD) for _, content in tree.values()}
    path = folder / "bundle.hotfix"
    written = bundle.write(path, made, lambda member: [contents[member.sha256]], overwrite=True)
    policy = vendor.policy_envelope(vendor.policy_document(product=PRODUCT))
    trust = trust_document(product=PRODUCT, root=vendor.root(), policy=policy, trial=True)
    subjects = [Subject(f"{made.label}.hotfix", written.container)]
    payload = provenance_payload(made, subjects, vendor.RECORD)
    provenance = Envelope(PAYLOAD_TYPE, payload, ()).signed_by(vendor.signer("builder"))
    approvals = [vendor.approval(made, person) for person in ("ada", "ed-cleo")]
    (folder / "provenance.jsonl").write_bytes(envelopes.write_sidecar([provenance]))
    (folder / "approvals.jsonl").write_bytes(envelopes.write_sidecar(approvals))
    (folder / "trust.json").write_bytes(trust)
    return written


if __name__ == "__main__":
    write(FOLDER_OF_SAMPLE)
