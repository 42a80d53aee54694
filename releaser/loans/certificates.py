"""SSH certificates whose principal names the loan.

- A certificate cannot be taken back, so it is good for hours and signed anew while the loan lasts. The host stops letting
  its principal in: the owner's program `HOME/setups/SETUP/ENDPOINT` adds it by `create`, and takes it away by `delete`.
- Whether the host lets the principal in is tried with a key of chance and a certificate for it, good for a minute; the
  borrower's private key is nobody's here.
"""

from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from patchline.patches.errors import StateError
from patchline.releaser.loans.cases import Case, Made, refused
from patchline.releaser.setups.logins import KeyLogin, Outcome
from patchline.releaser.setups.targets import scripts
from patchline.vault.loans import principal
from patchline.vault.preparing_loans import CERTIFICATE
from patchline.vault.setups import Login

_PROBE = 60
"""Seconds that the certificate lives by which the host is tried."""
SOON = timedelta(hours=1)
"""So long before its end a certificate is signed anew."""


class SshCertificate:
    """A certificate for the borrower's own key."""

    def make(self, case: Case) -> Made:
        """Let the host take the principal, sign, and see that it lets it in."""
        if case.loan.ssh_key is None:
            raise StateError("loan-target", f"{case.name}: the borrower named no key")
        username = case.maker()["username"]
        made = sign(case, username)
        if (script := case.target.script) is not None and not _done(case, script, "create"):
            raise StateError("loan-target", f"{case.name}: the owner's program did not let the principal in")
        outcome = _tried(case, username)
        if outcome is not Outcome.WORKS:
            raise StateError("loan-target", f"{case.name}: a certificate for the loan: {outcome}")
        return made

    def end(self, case: Case) -> str | None:
        """Let the host take the principal no more, and see that it is so."""
        if case.kept is None:
            return refused(case, None)  # It is in Vault before the host is told.
        if (script := case.target.script) is not None and not _done(case, script, "delete"):
            return f"{case.name}: the owner's program did not take the principal away"
        outcome = _tried(case, case.kept["username"])
        if outcome is Outcome.REFUSED:
            return None
        expires = case.part.expires
        if script is None and expires is not None and case.hands.clock() > expires + SOON / 12:
            return None  # The last certificate has ended by itself, and nothing signs another.
        return f"{case.name}: a certificate for the loan: {outcome}"


def sign(case: Case, username: str) -> Made:
    """Sign the borrower's key, for some hours or until the loan ends; Vault has it for the hand-over."""
    seconds = min(case.seconds(), CERTIFICATE)
    certificate = case.hands.vault.sign_ssh(case.loan.id, case.loan.ssh_key or "", seconds)
    case.keep({"username": username, "certificate": certificate})
    return Made(principal(case.loan.id), expires=case.hands.clock() + timedelta(seconds=seconds))


def _done(case: Case, script: Path, task: str) -> bool:
    told = Login(principal(case.loan.id), "certificate")
    return scripts.ask(script, task, case.endpoint.address, told) is Outcome.WORKS


def _tried(case: Case, username: str) -> Outcome:
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    certificate = case.hands.vault.sign_ssh(case.loan.id, public.decode(), _PROBE)
    return case.target.try_key(KeyLogin(username, private.decode(), certificate))
