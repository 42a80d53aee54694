"""The check that needs no Patchline: `….hotfix.sha256` and its signature, for people with openssl and tar.

    openssl dgst -sha256 -verify release.pem -signature F.sha256.sig F.sha256 && sha256sum -c F.sha256

It proves who released the file and nothing more. Not checked: approvals, recall, rollback.
"""

import re
from collections.abc import Callable

from patchline.patches.errors import SignatureError, StatementError
from patchline.patches.policy import Policy, PolicyKey, Purpose
from patchline.patches.signature import verify_signature

_LINE = re.compile(rb"([0-9a-f]{64})  ([A-Za-z0-9][A-Za-z0-9._+-]{0,254})\n")


def release_line(name: str, container: str) -> bytes:
    """Return the content of the `.sha256` file, as sha256sum writes it.

    Args:
        name: of the bundle file, without folders.
        container: SHA-256 of the bundle file.

    Raises:
        StatementError: the name would not stand plainly in such a line.
    """
    line = f"{container}  {name}\n".encode()
    if not _LINE.fullmatch(line):
        raise StatementError("release-line", f"{name!r} cannot stand in a sha256sum line")
    return line


def check_release(line: bytes, signature: bytes, container: str, manifest: str, policy: Policy) -> str:
    """Check a release's line and signature.

    Args:
        line: content of the `.sha256` file.
        signature: content of the `.sha256.sig` file.
        container: SHA-256 of the bundle file at hand.
        manifest: its manifest's digest, for release keys that were retired.
        policy: says which keys release.

    Returns:
        The id of the release key.

    Raises:
        StatementError: not one line, for another file, or by no release key that counts.
    """
    return _check(line, signature, container, policy, lambda key: key.refusal(manifest) is None)


def check_client(line: bytes, signature: bytes, client: str, policy: Policy) -> str:
    """Check the line and signature of a client; of release keys only those in use count.

    Args:
        line: content of its `.sha256` file.
        signature: content of its `.sha256.sig` file.
        client: SHA-256 of the client at hand.
        policy: says which keys release.

    Returns:
        The id of the release key.

    Raises:
        StatementError: not one line, for another file, or by no release key that counts.
    """
    return _check(line, signature, client, policy, lambda key: key.active)


def _check(line: bytes, signature: bytes, sha256: str, policy: Policy, counts: Callable[[PolicyKey], bool]) -> str:
    match = _LINE.fullmatch(line)
    if match is None:
        raise StatementError("release-line", "the .sha256 file is not one line of sha256sum")
    if match[1].decode() != sha256:
        raise StatementError("release-digest", f"the release is of {match[1].decode()}, the file at hand is {sha256}")
    for keyid, key in policy.keys.items():
        if key.purpose is Purpose.RELEASE and counts(key):
            try:
                verify_signature(key.public, signature, line)
            except SignatureError:
                continue
            return keyid
    raise StatementError("release-signature", "no release key of the policy signed the .sha256 file")
