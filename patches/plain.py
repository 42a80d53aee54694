"""A site's own key: P-256, unsealed, in a file of mode 0600, for reports that a program signs unattended.

It proves which site a report is from and nothing more. The file is PKCS#8 PEM, so that `openssl` can sign with it
where `cryptography` is missing; where both are, nothing can sign and the site's reports go unsigned.
"""

import os
import stat
import subprocess
from pathlib import Path

from patchline.patches import backends
from patchline.patches.errors import SealedKeyError, SettingsError
from patchline.patches.keys import Kind, PublicKey
from patchline.patches.sealed import read_private, write_private
from patchline.patches.signature import verify_signature
from patchline.patches.signers import LocalSigner, Signer

OPENSSL = "/usr/bin/openssl"
_TIMEOUT_S = 30


def can_sign() -> bool:
    """Tell whether this machine has anything that can make and use a site's key."""
    return backends.compiled_is_there() or os.access(OPENSSL, os.X_OK)


def create_plain(path: Path) -> PublicKey:
    """Make a new P-256 key in a new file of mode 0600.

    Raises:
        SealedKeyError: the file exists already.
        SettingsError: neither `cryptography` nor openssl is there.
    """
    if backends.compiled_is_there():
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    else:
        # Old versions write the curve's parameters out unless told to name it.
        named = ["-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:named_curve"]
        pem = _openssl(["genpkey", "-algorithm", "EC", *named])
    write_private(path, pem)
    return open_plain(path).public


def open_plain(path: Path) -> Signer:
    """Open a site's key.

    Raises:
        NotFoundError: no such file.
        SealedKeyError: others may read it, or it is not a P-256 key.
        SettingsError: neither `cryptography` nor openssl is there.
    """
    pem = read_private(path)
    _check_owner(path)
    if not backends.compiled_is_there():
        return OpensslSigner(pem)
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        private = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):
        raise SealedKeyError("damaged", f"{path} is no private key") from None
    if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(private.curve, ec.SECP256R1):
        raise SealedKeyError("damaged", f"{path} is no P-256 key")
    return LocalSigner(Kind.P256, private.private_numbers().private_value.to_bytes(32))


def _check_owner(path: Path) -> None:
    status = path.lstat()
    if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
        raise SealedKeyError("permissions", f"{path} is another user's or can be read by others")


class OpensslSigner:
    """Signs with a P-256 key by running openssl; the key reaches it through a pipe, never by a name."""

    def __init__(self, pem: bytes) -> None:
        """Take the private key as PKCS#8 PEM."""
        self._pem = pem
        self.public = PublicKey.from_der(self._run(["pkey", "-pubout", "-outform", "DER", "-in"], b""))

    def sign(self, data: bytes) -> bytes:
        """Return the DER signature."""
        signature = self._run(["dgst", "-sha256", "-sign"], data)
        verify_signature(self.public, signature, data)
        return signature

    def _run(self, arguments: list[str], data: bytes) -> bytes:
        reader, writer = os.pipe()
        try:
            # A key has about 240 bytes, far below what a pipe holds without a reader.
            os.write(writer, self._pem[:4096])
            os.close(writer)
            return _openssl([*arguments, f"/dev/fd/{reader}"], data, reader)
        finally:
            os.close(reader)


def _openssl(arguments: list[str], data: bytes = b"", descriptor: int | None = None) -> bytes:
    try:
        done = subprocess.run(  # noqa: S603 - a fixed program, and arguments from this module
            [OPENSSL, *arguments],
            input=data,
            capture_output=True,
            check=True,
            timeout=_TIMEOUT_S,
            cwd="/",
            env={"PATH": "/usr/bin:/bin", "OPENSSL_CONF": "/dev/null"},
            pass_fds=() if descriptor is None else (descriptor,),
        )
    except OSError as error:
        raise SettingsError("site-signing", f"neither cryptography nor {OPENSSL} is there: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise SettingsError("site-signing", f"{OPENSSL} did not answer within {_TIMEOUT_S} s") from None
    except subprocess.CalledProcessError as error:
        told = error.stderr.decode("utf-8", "replace").strip()[:200]
        raise SealedKeyError("damaged", f"{OPENSSL} cannot use the key: {told}") from None
    return done.stdout
