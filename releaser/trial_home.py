"""A home for trying out: what the ceremony makes on many machines, made in one folder of the home.

All private keys lie together, so what is signed by them proves nothing. The settings, every trust file and the doctor
say so, and the customer's client prints it.
"""

import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from patchline.patches import documents, sealed
from patchline.patches.envelopes import Envelope
from patchline.patches.files import read_file, write_file
from patchline.patches.keys import Kind
from patchline.patches.limits import LIMITS
from patchline.patches.policy import POLICY_TYPE, Purpose
from patchline.patches.root import Root
from patchline.patches.signers import Signer
from patchline.patches.trust import trust_document
from patchline.releaser import (
    ceremony,
    channel_roots,
    persons,
    policies,
    policy_making,
    publishing,
    recalls,
    server_keys,
)
from patchline.releaser.catalogue import add_product
from patchline.releaser.channel_home import open_channel
from patchline.releaser.offline_ceremony import OFFLINE
from patchline.releaser.policy_making import RELEASE_PERSON, NewKey
from patchline.releaser.register import Register
from patchline.releaser.settings import FILE, read_settings
from patchline.releaser.tables.catalogue import Product
from patchline.releaser.tables.people import Person, Role
from patchline.releaser.trust_files import read_root, read_targets

FOLDER = "trial"
BUILDER = "bob"
APPROVERS = ("ada", "ben")
WARNING = "This home is for trying out: all its keys lie in one place, so what they sign proves nothing."


@dataclass(frozen=True)
class Papers:
    """Where the papers of a trial lie."""

    folder: Path
    product: str

    @property
    def trust(self) -> Path:
        """The trust file, which is written last."""
        return self.folder / f"{self.product}.trust"

    def path(self, name: str) -> Path:
        """Return the path of one of them."""
        return self.folder / name


def is_trial(home: Path) -> bool:
    """Tell whether a folder is the home of a trial; one that is no home is none."""
    return (home / FILE).exists() and read_settings(home).trial


def furnish(register: Register, product: str, passphrase: bytes, by: str, now: datetime) -> Papers:
    """Make keys and papers, begin the channel, add persons, product and policy. All of it done already is no matter."""
    papers = Papers(register.home / FOLDER, product)
    if not papers.trust.exists():
        shutil.rmtree(papers.folder, ignore_errors=True)
        papers.folder.mkdir(mode=0o700)
        _make_papers(papers, register, passphrase, now)
    channel = open_channel(register, lambda _: passphrase)
    root = read_root(papers.path("root.json"))
    offline = channel_roots.Offline.of(
        [root, read_root(papers.path("kit-root.json"), kit=True), read_targets(papers.path("targets.json"))]
    )
    channel_roots.take_in(channel, offline, now)
    _fill(register, papers, root, by, now)
    publishing.follow(register, channel, product, now)
    return papers


def _make_papers(papers: Papers, register: Register, passphrase: bytes, now: datetime) -> None:
    keys = {name: _make_key(papers, name, passphrase) for name in (*OFFLINE, BUILDER, *APPROVERS, RELEASE_PERSON)}
    offline = [keys[name].public for name in OFFLINE]
    online, kit = (server_keys.server_public(register.home, name) for name in server_keys.NAMES)
    signers: list[Signer] = [keys[name] for name in OFFLINE[:2]]
    root = ceremony.make_root(offline, 2, now, online=online)
    kit_root = ceremony.make_root(offline, 2, now, kit=kit)
    targets = ceremony.make_targets([online], [online], now)
    for signer in signers:
        root, kit_root = ceremony.sign_root(root, signer), ceremony.sign_root(kit_root, signer)
        targets = ceremony.sign_targets(targets, signer)
    added = (
        NewKey(BUILDER, keys[BUILDER].public, Purpose.BUILDER),
        *(NewKey(name, keys[name].public, Purpose.APPROVER) for name in APPROVERS),
        NewKey(RELEASE_PERSON, keys[RELEASE_PERSON].public, Purpose.RELEASE),
    )
    payload = policy_making.policy_payload(papers.product, policy_making.Changes(added=added, threshold=2))
    policy = Envelope(POLICY_TYPE, payload, ())
    for signer in signers:
        policy = policy.signed_by(signer)
    for name, document in (("root", root.document), ("kit-root", kit_root.document), ("targets", targets.document)):
        write_file(papers.path(f"{name}.json"), documents.encode(document))
    write_file(papers.path("policy.json"), documents.encode(policy.as_document()))
    write_file(papers.trust, _trust(papers.product, root, policy, register))


def _make_key(papers: Papers, name: str, passphrase: bytes) -> Signer:
    path = sealed.key_path(papers.folder, name)
    public = sealed.create_sealed(path, Kind.P256, passphrase)
    write_file(papers.path(f"{name}.pem"), public.to_pem().encode())
    return sealed.open_sealed(path, lambda: passphrase)


def _trust(product: str, root: Root, policy: Envelope, register: Register) -> bytes:
    url = register.settings.channel_url
    return trust_document(product=product, root=root, policy=policy, trial=True, channel=url)


def _fill(register: Register, papers: Papers, root: Root, by: str, now: datetime) -> None:
    with register.change(by, now) as change:
        for name in (BUILDER, *APPROVERS):
            if change.session.get(Person, name) is None:
                persons.add(change, name, name.title(), [Role.ENGINEER])
        if change.session.get(Product, papers.product) is None:
            add_product(change, papers.product, papers.product, None)
        policy = read_file(papers.path("policy.json"), limit=LIMITS.trust_file)
        policies.take(change, papers.product, policy, root)
        recalls.begin(change, papers.product)
