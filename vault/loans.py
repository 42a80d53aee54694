"""What a loan has in Vault: a token of its own on which its leases hang, its credentials, and their wrapping.

- The token is an orphan, so it outlives whoever made it; with it everything ends that it made. It is thrown away where it
  was made: the register knows its accessor, which can end it and nothing else.
- Credentials of a loan lie at `setups/SETUP/loan/LOAN`, each endpoint under its name, and are handed over by wrapping.
- The account by which others are made at an endpoint lies at `setups/SETUP/lending/ENDPOINT`, put there by its owner.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import hvac  # type: ignore[import-untyped]

from patchline.patches.errors import VaultError
from patchline.vault import names
from patchline.vault.connection import Connection
from patchline.vault.loan_credentials import (
    LARGEST,
    WRAPPED,
    Credential,
    KeptLoan,
    Wrapping,
    loan_path,
    read_credentials,
)
from patchline.vault.preparing import SETUPS
from patchline.vault.preparing_loans import DATABASE, LONGEST, SSH, SSH_ROLE, TOKEN_ROLE, database_role

_DISPLAY = "loan-"


@dataclass(frozen=True)
class LoanToken:
    """A loan's own token; the text is used while the loan is made, and kept nowhere."""

    text: str = field(repr=False)
    accessor: str


@dataclass(frozen=True)
class DatabaseUser:
    """A user that Vault made in a database; it ends with its lease."""

    username: str
    password: str = field(repr=False)
    lease: str


class LoanVault:
    """What is done for loans in Vault, as far as the login of the connection may do it."""

    def __init__(self, connection: Connection) -> None:
        """Take the connection to ask."""
        self.connection = connection

    def _post(self, doing: str, path: str, **document: Any) -> Any:
        return self.connection.ask(doing, lambda vault: vault.adapter.post(f"/v1/{path}", json=document))

    # The token, and what hangs on it

    def make_token(self, setup: str, loan: str, seconds: int) -> LoanToken:
        """Make a loan's own token, which ends after so many seconds unless it is renewed.

        Raises:
            VaultError: Vault cannot be asked, or says no.
        """
        made = self._post(
            f"the token of loan {loan}",
            f"auth/token/create/{TOKEN_ROLE}",
            policies=["patchline-loan"],
            entity_alias=names.name(setup),
            display_name=f"{_DISPLAY}{names.name(loan)}",
            meta={"loan": loan, "setup": setup},
            ttl=f"{seconds}s",
            explicit_max_ttl=f"{LONGEST}s",
            no_default_policy=True,
        )["auth"]
        return LoanToken(str(made["client_token"]), str(made["accessor"]))

    def make_database_user(self, token: LoanToken, setup: str, endpoint: str) -> DatabaseUser:
        """Let Vault make a user of a database; its lease hangs on the loan's token. Asked once: each asking makes one.

        Raises:
            VaultError: Vault cannot be asked, says no, or does not reach the database.
        """
        role = database_role(names.name(setup), names.name(endpoint))

        def question(vault: hvac.Client) -> DatabaseUser:
            made = vault.adapter.get(f"/v1/{DATABASE}/creds/{role}")
            return DatabaseUser(str(made["data"]["username"]), str(made["data"]["password"]), str(made["lease_id"]))

        return self.connection.ask_with(token.text, f"the user for {setup} {endpoint}", question)

    def renew_lease(self, lease: str, seconds: int) -> None:
        """Let a lease end after so many seconds from now.

        Raises:
            VaultError: Vault cannot be asked, or the lease is gone.
        """
        self._post("a lease of the loan", "sys/leases/renew", lease_id=lease, increment=seconds)

    def renew_token(self, accessor: str, seconds: int) -> int:
        """Let a loan's token end after so many seconds from now; return how many Vault granted.

        Raises:
            VaultError: Vault cannot be asked, or the token is gone.
        """
        answer = self._post(
            "the token of the loan", "auth/token/renew-accessor", accessor=accessor, increment=f"{seconds}s"
        )
        return int(answer["auth"]["lease_duration"])

    def end_token(self, accessor: str) -> None:
        """End a token, and all that hangs on it; one that is gone already is fine.

        Raises:
            VaultError: Vault cannot be asked.
        """
        try:
            self._post("the token of the loan", "auth/token/revoke-accessor", accessor=accessor)
        except VaultError as error:
            if error.code != "vault.missing":
                raise

    def end_lease(self, lease: str) -> None:
        """Let Vault end what hangs on a lease, now; a failure leaves it to be tried again.

        Raises:
            VaultError: Vault cannot be asked.
        """
        try:
            self._post("a lease of the loan", "sys/leases/revoke", lease_id=lease, sync=True)
        except VaultError as error:
            if error.code not in ("vault.missing", "vault.refused", "vault.failed"):
                raise

    def lives(self, kind: str, name: str) -> bool:
        """Tell whether Vault still has something: a `token` or `wrapping` by its accessor, or a `lease`.

        Raises:
            VaultError: Vault cannot be asked.
        """
        path, key = {
            "token": ("auth/token/lookup-accessor", "accessor"),
            "wrapping": ("auth/token/lookup-accessor", "accessor"),
            "lease": ("sys/leases/lookup", "lease_id"),
        }[kind]

        def question(vault: hvac.Client) -> bool:
            vault.adapter.post(f"/v1/{path}", json={key: name})
            return True

        try:
            return self.connection.ask(f"the {kind} of the loan", question, safe=True)
        except VaultError as error:
            if error.code == "vault.missing":
                return False
            raise

    def tokens(self) -> Iterator[tuple[str, str]]:
        """Yield accessor and loan of every token that was made for one.

        Raises:
            VaultError: Vault cannot be asked.
        """
        listed = self._listed("auth/token/accessors", "the tokens of loans")
        for accessor in listed:
            try:
                said = self._post("the tokens of loans", "auth/token/lookup-accessor", accessor=accessor)["data"]
            except VaultError as error:
                if error.code == "vault.missing":  # It ended meanwhile.
                    continue
                raise
            loan = str((said.get("meta") or {}).get("loan", ""))
            if said.get("path") == f"auth/token/create/{TOKEN_ROLE}" and names.fits(loan):
                yield accessor, loan

    def _listed(self, path: str, doing: str) -> list[str]:
        try:
            return self.connection.ask(
                doing, lambda vault: [str(key) for key in vault.adapter.list(f"/v1/{path}")["data"]["keys"]], safe=True
            )
        except VaultError as error:
            if error.code == "vault.missing":
                return []
            raise

    # The credentials

    def read(self, setup: str, loan: str) -> KeptLoan:
        """Return the credentials of a loan.

        Raises:
            VaultError: Vault cannot be asked, or they are larger than any that was written.
        """
        path = f"{SETUPS}/data/{loan_path(setup, loan)}"

        def question(vault: hvac.Client) -> KeptLoan:
            found = vault.adapter.get(f"/v1/{path}")["data"]
            return KeptLoan(int(found["metadata"]["version"]), read_credentials(found["data"]))

        try:
            return self.connection.ask(f"the credentials of loan {loan}", question, safe=True)
        except VaultError as error:
            if error.code == "vault.missing":
                return KeptLoan()
            raise

    def write(self, setup: str, loan: str, credentials: Mapping[str, Credential], seen: int) -> KeptLoan:
        """Write the credentials of a loan, over the version that was seen.

        Raises:
            VaultError: they are too large, Vault cannot be asked, or has a newer version.
        """
        data = {endpoint: dict(credential) for endpoint, credential in credentials.items()}
        if len(json.dumps(data)) > LARGEST:
            raise VaultError("too-large", f"the credentials of loan {loan} have more than {LARGEST >> 10} KiB")
        path = f"{SETUPS}/data/{loan_path(setup, loan)}"
        answer = self._post(f"the credentials of loan {loan}", path, options={"cas": seen}, data=data)
        return KeptLoan(int(answer["data"]["version"]), data)

    def forget(self, setup: str, loan: str) -> None:
        """Let Vault forget the credentials of a loan, in all versions.

        Raises:
            VaultError: Vault cannot be asked.
        """
        path = f"/v1/{SETUPS}/metadata/{loan_path(setup, loan)}"
        self.connection.ask(f"the credentials of loan {loan}", lambda vault: vault.adapter.delete(path))

    def kept_loans(self, setup: str) -> list[str]:
        """Return the loans of a setup of which Vault has credentials.

        Raises:
            VaultError: Vault cannot be asked.
        """
        return self._listed(f"{SETUPS}/metadata/{names.name(setup)}/loan", f"the loans of {setup}")

    def maker(self, setup: str, endpoint: str) -> Credential | None:
        """Return the account by which others are made at an endpoint; None where its owner put none there.

        Raises:
            VaultError: Vault cannot be asked, or it is too large.
        """
        return self._lending(setup, endpoint)[1]

    def _lending(self, setup: str, endpoint: str) -> tuple[int, Credential | None]:
        path = f"/v1/{SETUPS}/data/{names.name(setup)}/lending/{names.name(endpoint)}"

        def question(vault: hvac.Client) -> tuple[int, Credential]:
            found = vault.adapter.get(path)["data"]
            return int(found["metadata"]["version"]), read_credentials({endpoint: found["data"]})[endpoint]

        try:
            return self.connection.ask(f"the account that lends {setup} {endpoint}", question, safe=True)
        except VaultError as error:
            if error.code == "vault.missing":
                return 0, None
            raise

    def put_following(self, setup: str, endpoint: str, credential: Credential) -> None:
        """Let the broker know what a shared account gets when it comes back, by the lender's own login.

        Raises:
            VaultError: Vault cannot be asked, or somebody else wrote meanwhile.
        """
        seen, _ = self._lending(setup, endpoint)
        path = f"{SETUPS}/data/{names.name(setup)}/lending/{names.name(endpoint)}"
        wish = {"options": {"cas": seen}, "data": dict(credential)}
        self._post(f"the password that {setup} {endpoint} gets when it is back", path, **wish)

    def sign_ssh(self, loan: str, public_key: str, seconds: int) -> str:
        """Return a certificate for the principal `loan-LOAN`, which ends after so many seconds.

        Raises:
            VaultError: Vault cannot be asked, or does not sign this key.
        """
        answer = self._post(
            f"the SSH certificate of loan {loan}",
            f"{SSH}/sign/{SSH_ROLE}",
            public_key=public_key,
            valid_principals=principal(loan),
            ttl=f"{seconds}s",
        )
        return str(answer["data"]["signed_key"]).strip()

    # Handing over

    def wrap(self, setup: str, loan: str) -> Wrapping:
        """Wrap the credentials of a loan; whoever opens the wrapping first has them, and nobody after.

        Raises:
            VaultError: Vault cannot be asked, or has none.
        """
        path = f"/v1/{SETUPS}/data/{loan_path(setup, loan)}"

        def question(vault: hvac.Client) -> Wrapping:
            made = vault.adapter.get(path, wrap_ttl=f"{WRAPPED}s")["wrap_info"]
            return Wrapping(str(made["token"]), str(made["accessor"]))

        return self.connection.ask(f"the hand-over of loan {loan}", question)


def principal(loan: str) -> str:
    """Return as whom a borrower's certificate lets them in."""
    return f"loan-{names.name(loan)}"
