"""Releasing the customer's client: the release key signs it like a bundle, and the channel carries it as data.

A stolen server cannot ship one: each site checks the signature by its own policy before it offers the client.
"""

from datetime import datetime
from pathlib import Path

from sqlalchemy import select

from patchline.patches import channel as names
from patchline.patches import documents
from patchline.patches.envelopes import Envelope
from patchline.patches.errors import RefusedError, StatementError, UsageError
from patchline.patches.files import read_file, write_file
from patchline.patches.keys import Kind
from patchline.patches.policy import Policy
from patchline.patches.release import check_client, release_line
from patchline.patches.release_zip import CLIENT, CLIENT_FILES, RELEASE_LINE, RELEASE_SIGNATURE
from patchline.patches.signers import Signer
from patchline.releaser.channel import Channel, Edit
from patchline.releaser.policies import newest_policy
from patchline.releaser.register import Register
from patchline.releaser.tables.catalogue import Product


def is_client(path: Path) -> bool:
    """Tell whether a file is the customer's client, by its name."""
    return path.name == CLIENT


def sign_client(path: Path, signer: Signer, policy: Policy) -> str:
    """Write `.sha256` and `.sha256.sig` beside a client; return its SHA-256.

    Raises:
        StatementError: the key is no release key of the policy.
        UsageError: the key is not P-256, which openssl everywhere can check.
    """
    if signer.public.kind is not Kind.P256:
        raise UsageError("options", "a release is signed with a P-256 key")
    digest = documents.digest(read_file(path, limit=CLIENT_FILES[CLIENT]))
    line = release_line(CLIENT, digest)
    signature = signer.sign(line)
    check_client(line, signature, digest, policy)
    write_file(path.with_name(CLIENT + RELEASE_LINE), line, overwrite=True)
    write_file(path.with_name(CLIENT + RELEASE_SIGNATURE), signature, overwrite=True)
    return digest


def publish_client(register: Register, channel: Channel, path: Path, now: datetime) -> None:
    """Put a client into the channel, with what lies beside it.

    Raises:
        RefusedError: sites of a product would not take it.
        NotFoundError: it is not there, or was not signed.
    """
    files = {name: read_file(path.with_name(name), limit=limit) for name, limit in CLIENT_FILES.items()}
    data, line, signature = (files[name] for name in CLIENT_FILES)
    _check_for_all(register, documents.digest(data), line, signature)

    def work(edit: Edit) -> None:
        for ending in names.CLIENT_ENDINGS:
            edit.status(names.CLIENT + ending, files[CLIENT + ending])

    channel.change(work, now)


def _check_for_all(register: Register, digest: str, line: bytes, signature: bytes) -> None:
    with register.read() as session:
        products = list(session.scalars(select(Product.id).order_by(Product.id)))
        policies = {product: newest_policy(session, product) for product in products}
        envelopes = {product: found.envelope for product, found in policies.items() if found is not None}
    for product, envelope in envelopes.items():
        payload = Envelope.from_document(documents.decode(envelope, what="policy"), "policy").payload
        try:
            check_client(line, signature, digest, Policy.parse(payload))
        except StatementError as error:
            raise RefusedError("channel-client", f"sites of {product} would not take it: {error.message}") from None
