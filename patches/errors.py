"""The one root of every error Patchline raises on purpose.

    PatchlineError
    ├─ UsageError          2   the command line asks for something that makes no sense
    │   └─ PasswordError       a password that is not taken
    ├─ SettingsError      10   settings or doctor's findings
    │   └─ DatabaseError       the register's database
    ├─ NotFoundError      11   a file, key, ref or hotfix that is not there
    ├─ RefusedError       12   a rule says no
    │   ├─ AccessError         nobody, or nobody any more, is known to ask
    │   │   └─ OutsideError        signing in at an identity provider
    │   │       └─ ProviderError       … which cannot be asked
    │   ├─ EnrolmentError      a site's key that is to be enrolled
    │   ├─ EntitlementError    why a customer gets no bytes
    │   ├─ LinkError           a link by which somebody sets a password
    │   ├─ TriesError          too many tries to sign in
    │   ├─ TokenError          who comes with a token that lets nobody in
    │   │   └─ ScopeError          … or is not good for what is asked
    │   ├─ BudgetError         more requests than a minute allows
    │   ├─ IdempotencyError    a key that was used for another request
    │   │   └─ UnderWayError       … or whose request is still under way
    │   └─ SealedKeyError      a private key's file
    ├─ StateError         13   right request, wrong moment
    │   ├─ SourceError         … a channel that cannot be reached
    │   └─ StoreError          where bundles and the channel are kept
    ├─ BuildError         14   a bundle that cannot be built
    │   ├─ GitError            … because of its git source
    │   ├─ RecipeError         … because of its recipe
    │   └─ TrialError          … as trying it out showed; the exit code is that of the command that failed
    ├─ MalformedError     20   bytes that are not what they claim to be
    │   ├─ ArchiveError        the container: tar and gzip
    │   ├─ ZipError            zips of a release or kit
    │   ├─ DocumentError       canonical JSON
    │   ├─ ManifestError       a field of the manifest
    │   ├─ BundleError         container and manifest disagree
    │   └─ BackupError         a backup of the register
    ├─ VerificationError  21   not verified
    │   ├─ SignatureError      keys and signatures
    │   ├─ StatementError      provenance and approvals
    │   ├─ ApprovalError       too few approvals
    │   ├─ TrustError          root, policy, trust file
    │   ├─ ChannelError        the channel's metadata
    │   ├─ AuditError          the register's audit chain
    │   ├─ ReportError         a site's report
    │   └─ RecallListError     the recall list
    ├─ RelationError      22   does not fit what is applied already
    ├─ InstallationError  23   the folder on disk
    ├─ HealthError        24   rolled back after a failed health check
    ├─ LockedError        25   somebody else is at it
    ├─ ExpiredError       26   trust or channel expired
    ├─ RecalledError      27   recalled
    ├─ VaultError         30   Vault: not reached, or it says no
    ├─ RemoteError             what a server refused; the exit code is that of the refusal there
    └─ ProblemsError           several of these at once, the gravest first

A family owns a table of codes; a code is stable, and its table entry is the hint a person reads next.
`docs/errors.md` is generated from these tables.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Self


class PatchlineError(Exception):
    """A refusal with a message for people, a hint what to do, and a code for scripts.

    Attributes:
        code: stable name such as `archive.truncated`.
        message: what is wrong, naming the object.
        hint: what to do about it.
    """

    family: ClassVar[str] = "patchline"
    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500
    hints: ClassVar[dict[str, str]] = {
        "bug": "This is a bug in Patchline; please report it with the traceback.",
        "stopped": "Run the command again when you are ready.",
    }

    def __init__(self, code: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.code = f"{self.family}.{code}"
        self.message = message
        self.hint = self.hints[code] if hint is None else hint

    def about(self, name: str) -> Self:
        """Return the error with the name of what it is about before its message."""
        self.message = f"{name}: {self.message}"
        self.args = (self.message,)
        return self

    def as_document(self) -> dict[str, Any]:
        """Return the error as it stands in `--json` output."""
        return {"error": self.code, "message": self.message, "hint": self.hint, "exit_code": self.exit_code}


class ProblemsError(PatchlineError):
    """Several refusals at once; code, hint and exit code are those of the gravest, which comes first."""

    family = "problems"

    def __init__(self, problems: list[PatchlineError]) -> None:
        first = max(problems, key=lambda problem: problem.exit_code)
        self.problems = [first, *(problem for problem in problems if problem is not first)]
        Exception.__init__(self, "\n".join(problem.message for problem in self.problems))
        self.code, self.hint, self.message = first.code, first.hint, first.message
        self.exit_code = first.exit_code  # type: ignore[misc]
        self.http_status = first.http_status  # type: ignore[misc]

    def as_document(self) -> dict[str, Any]:
        """Return the gravest as the error, and all of them as `problems`."""
        return {**super().as_document(), "problems": [problem.as_document() for problem in self.problems]}


def refuse(problems: list[PatchlineError]) -> None:
    """Raise the problem, or all of them as one; do nothing when there is none."""
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise ProblemsError(problems)


class RemoteError(PatchlineError):
    """What a server refused, as it said it; code, hint and exit code are those of the refusal there."""

    family = "remote"

    @classmethod
    def of(cls, problem: Mapping[str, Any]) -> Self:
        """Return the error that a problem document tells of.

        Raises:
            KeyError, TypeError: it is no such document.
        """
        error = cls("bug", str(problem["detail"]), hint=str(problem["hint"]))
        error.code = str(problem["code"])
        error.exit_code = int(problem.get("exit_code", 1))  # type: ignore[misc]
        error.http_status = int(problem["status"])  # type: ignore[misc]
        return error


class UsageError(PatchlineError):
    """The command line asks for something that makes no sense."""

    family = "usage"
    exit_code = 2
    http_status = 400
    hints: ClassVar[dict[str, str]] = {
        "member-field": "Write a name, and an address as in eve@example.com.",
        "portal-report": "Choose what patchline-site report wrote, or paste its text.",
        "bind": "Write --bind 127.0.0.1:8080, --bind '[::1]:8080' or --bind unix:/run/patchline/web.sock.",
        "certificate": "Give the certificate with its chain, and its private key without passphrase, both as PEM.",
        "not-remote": "Run it on the server itself, and name its register with --home.",
        "server": "Write it as https://HOST or https://HOST:PORT.",
        "server-plain": "Use https://; plain http is for this very machine.",
        "no-token": "Set PATCHLINE_TOKEN, or name a file that holds it: --token-file. patchline token new makes one.",
        "download-token": "Save the line that the vendor's portal shows, `Authorization: Bearer TOKEN`, or the token alone.",
        "too-much": "Send them in several parts.",
        "webhook-url": "Write it as https://HOST/PATH; the setting webhook_private allows plain http and private networks.",
        "webhook-events": "Name actions of the audit log: patchline audit export shows which there are.",
        "token": "Say what it is for, for whom and how long: patchline token new --help.",
        "idempotency-key": "Choose a random one, such as a UUID.",
        "loan-window": "Give the times as --from and --until, such as 2027-01-31 or 2027-01-31T18:00.",
        "loan-purpose": "Say in one line what it is for, such as a case or a hotfix; without a password.",
        "loan-ssh-key": "Name the file of your public key: --ssh-key ~/.ssh/id_ed25519.pub",
        "loan-done": "Say it as --done ENDPOINT='account loan-x made'; patchline loan show ID lists the endpoints.",
        "setup-import": "Mend the row; what stands in it is not repeated, since it may be a password. patchline setup import --help.",
        "setup-login": "Write a name and a password of at most 4096 characters, without a zero byte.",
        "setup-name": "Names in Vault have lower-case letters, digits and dashes, at most 63.",
        "setup-field": "patchline setup add --help shows how setups and endpoints are written.",
        "setup-secret": "Leave it out of the address; logins belong into Vault: patchline setup import.",
        "report-form": "Bring a report as patchline-site wrote it, or paste the text of the mail.",
        "search": "Search for a name, an alias, a hotfix, a CVE, or the code of a level.",
        "told": "Say it as patchline-site inventory shows it: patchline site tell --help.",
        "date": "Write the date as YYYY-MM-DD.",
        "worker-embedded": "Finish what was cut off with --once; workers stay where the register is on PostgreSQL.",
        "reference": "Give the number of your change alone, such as CHG-4711.",
        "root-name": "Names of roots are lower-case letters, digits and dashes, such as `app`.",
        "root-path": "Choose a folder whose path has no control characters and is UTF-8.",
        "follow": "Name links that lie below a root.",
        "options": "See --help for the options that go together.",
        "browser-key": "Load the page of your keys anew, and let it make the key.",
        "page": "Ask for fewer rows, and go on with the --after that the page before tells.",
        "contains-many": "Ask for a component, or give the package URL with its version.",
        "issue-field": "Write it as the message says; an issue's id looks like BUG-4711 or CVE-2021-44228.",
        "issue-reason": "Give the reason after an equals sign: --not-affected 4.1='the class is not in it'.",
        "contains": "Ask for a name such as log4j-core, a SHA-256, or a package URL such as pkg:maven/GROUP/NAME.",
        "command-line": "See --help.",
        "declined": "Run it again when you are sure.",
        "unattended": "Answer at a terminal, or give the answer as an option.",
        "no-passphrase": "Give --passphrase-fd N, set PATCHLINE_PASSPHRASE, or run it at a terminal.",
        "passphrase-fd": "Name an open file descriptor that holds the passphrase: --passphrase-fd 3 3<FILE",
        "passphrase-empty": "Choose a passphrase of several words.",
        "passphrase-long": "Choose a shorter passphrase.",
        "key-uri": "Name a key as sealed:NAME, or just NAME (`patchline key list` shows yours), or as transit:MOUNT/KEY.",
        "policy-recipe": "The recipe is the policy's document as TOML; docs/bundle-format.md describes it.",
        "person": "Say who you are: --as PERSON, or PATCHLINE_PERSON in the environment.",
        "person-id": "A person's id looks like ada or ada.l: lower-case letters, digits, dots, dashes and underscores.",
        "person-name": "Write the name on one line.",
        "text": "Write it without control characters.",
        "person-role": "Name a role: engineer, release-manager, support or auditor.",
        "key-person": "Write PERSON=FILE, for an approver PERSON=FILE:CUSTODY:ROLE; or the file of `patchline key enrol`.",
        "digests": "The list holds a manifest's SHA-256 on each line, in lower-case hexadecimal.",
        "emergency": "Write ROLE:HOURS:PERSONS, such as duty:24:1.",
        "key-name": "A key's name has letters, digits, dots, dashes and underscores, at most 64.",
        "window": "Write windows such as: Sat 22:00-04:00 Europe/Berlin; Mon-Fri 01:00-03:00 Europe/Berlin",
        "ring": "A ring's name has lower-case letters, digits and dashes, such as early.",
        "freeze": "Give --from, --until and --reason; see patchline freeze add --help.",
        "acknowledgement": "See patchline recall acknowledge --help.",
        "rollout-setting": "See patchline rollout plan --help.",
        "rollout-reason": "Say in one line why.",
        "hotfix-field": "Correct the option that is named; see --help.",
        "enrolment-code": "Type it as the vendor wrote it: seven groups of four letters or digits.",
        "import-file": "Save it as CSV in UTF-8; docs/commands.md and patchline customer import --help name the columns.",
        "customer-field": "Write it as the message says; ids look like acme and acme-main.",
        "hotfix-csv": "A header names the columns id, product, baseline, title, and perhaps fixes, cve, severity, shipped.",
    }


class PasswordError(UsageError):
    """A password that is not taken."""

    family = "password"
    http_status = 422
    hints: ClassVar[dict[str, str]] = {
        "short": "Take four or more words that do not belong together, or what a password manager makes.",
        "long": "Choose a shorter one.",
        "guessable": "Take four or more words that do not belong together, or what a password manager makes.",
        "unequal": "Type the same password twice.",
    }


class SettingsError(PatchlineError):
    """Settings, or findings of the doctor."""

    family = "settings"
    exit_code = 10
    http_status = 500
    hints: ClassVar[dict[str, str]] = {
        "self-test": "Mend what is named before a hotfix is applied here.",
        "channel-expiring": "Renew it: online roles by a timer that runs patchline channel renew, the others by a ceremony.",
        "channel-recalls": "Issue the recall list again; patchline channel renew does so.",
        "channel-keys": "Use the keys that root and targets name, or have the root's holders sign others.",
        "store-conditions": "Use a folder, or a store that obeys If-Match and If-None-Match.",
        "unknown-signatures": "If you did not sign it, say so at once: the key must be revoked. Else: --accept.",
        "server-extra": "Install the vendor's programs too: pip install 'patchline[server]'",
        "cryptography": "Install it: pip install cryptography.",
        "site-signing": "Install the Python package cryptography, or openssl as /usr/bin/openssl.",
        "no-home": "Make one with patchline init, or name another with --home.",
        "settings": "Correct the setting, or remove it for its default.",
        "smtp": "Set smtp_host and smtp_from; docs/settings.md lists all of them.",
        "smtp-password": "Name a file that only its owner may read (chmod 600), or give the credential patchline-smtp.",
        "oidc": "Set oidc_issuer, oidc_client and oidc_secret_file (chmod 600), or the credential patchline-oidc.",
        "unfinished-home": "Finish it: patchline init with the same options; or remove the folder.",
    }


class DatabaseError(SettingsError):
    """The register's database."""

    family = "database"
    hints: ClassVar[dict[str, str]] = {
        "url": "Write sqlite:///PATH or postgresql://USER@HOST/NAME.",
        "schema-older": "Bring it up: patchline database upgrade (after patchline backup).",
        "schema-newer": "Use that newer Patchline here too.",
        "not-empty": "Name an empty database; a register is never made over another one.",
        "full": "Free some space and run the command again; nothing was changed.",
        "damaged": "Restore the last backup: patchline restore FILE.",
        "gone": "Check that the database runs and may be used, then run the command again; nothing was changed.",
        "cache": "Find out who changed it, then compute it anew: patchline database rebuild.",
    }


class NotFoundError(PatchlineError):
    """Something that is not there."""

    family = "not-found"
    exit_code = 11
    http_status = 404
    hints: ClassVar[dict[str, str]] = {
        "web-session": "Your own page lists the browsers in which you are signed in.",
        "webhook": "`patchline webhook list` shows them.",
        "token": "`patchline token list` shows them, each with its first twelve characters.",
        "loan": "patchline loan list --ended shows all of them.",
        "loan-role": "Vault's administrator lets it make users there: patchline vault prepare --setup SETUP.",
        "setup-credential": "Put it there: patchline setup import.",
        "setup": "`patchline setup list` shows them; `patchline setup add SITE` makes one of a site.",
        "setup-endpoint": "`patchline setup show SETUP` lists its endpoints.",
        "own-recall": "The page of recalls lists those that concern your sites.",
        "own-site": "The overview lists your sites.",
        "own-token": "The list of tokens shows those of your sites.",
        "member": "The list of people shows who may come in: `patchline customer people ID`.",
        "download": "The portal lists what there is for each of your sites, with the names of its files.",
        "root": "Name the site's root with --root, or run `patchline-site init` first.",
        "hotfix": "`patchline-site inventory` lists what is applied.",
        "level": "`patchline-site history` lists the levels this site had; `baseline` always is one.",
        "file": "Check the path.",
        "folder": "Create the folder first, or check the path.",
        "channel-product": "Publish its policy first; the policies in the channel say which products it has.",
        "bundle-file": "Give the .hotfix file, or its manifest; what is signed is what you can read.",
        "policy-key": "`patchline trust show` lists the keys of a policy; give a fingerprint as it stands there.",
        "key": "`patchline key list` shows your keys; PATCHLINE_KEYS names another folder.",
        "browser-key": "`patchline person keys` lists the keys that lie in browsers.",
        "person": "patchline person list shows who is there.",
        "event": "patchline audit export shows every event.",
        "campaign": "`patchline campaign list` shows those in the register; `patchline hotfix carry` makes one.",
        "issue": "`patchline issue list` shows those in the register; `patchline issue add` adds one.",
        "customer": "`patchline customer list` shows those in the register; `patchline customer add` adds one.",
        "entitlement": "patchline entitlement list shows them with their numbers.",
        "contact": "patchline customer show ID shows the contacts of a customer.",
        "site": "`patchline site list` shows those in the register; `patchline site add` adds one.",
        "product": "`patchline product list` shows those in the register; `patchline product add` adds one.",
        "baseline": "`patchline baseline list` shows those in the register; `patchline baseline add` adds one.",
        "ring": "`patchline ring list` shows those of a product; `patchline ring add` adds one.",
        "freeze": "`patchline freeze list` shows those that last or are to come.",
        "rollout": "Plan one: patchline rollout plan ID.",
        "registered-hotfix": "patchline hotfix list shows those of the register.",
        "revision": "patchline hotfix show ID tells its revisions.",
        "fix": "`patchline issue list` shows what is known; `patchline issue add` says which baselines it affects.",
        "policy": "Take the signed policy in: patchline product policy PRODUCT FILE.",
        "channel-root": "Sign root and targets, and put them into the channel: patchline channel root.",
    }


class RefusedError(PatchlineError):
    """A rule says no."""

    family = "refused"
    exit_code = 12
    http_status = 403
    hints: ClassVar[dict[str, str]] = {
        "member-address": "Use another address, or ask your vendor's support.",
        "member-role": "Ask an administrator of your company: the page of people names them.",
        "tls-key": "Let its owner and group alone read it: chmod o-rwx.",
        "web-key": "Remove it, and start the server anew: everybody signs in again.",
        "form": "Go back, load the page anew, and try again.",
        "loan-own-team": "Use your team's credentials; a loan is for another team.",
        "loan-self": "Ask a colleague of the team that owns the setup.",
        "loan-login": "Log in to Vault yourself (bao login), and run it again; the broker must not lend this one.",
        "loan-equal": "Rotate the team's password first: patchline setup rotate SETUP ENDPOINT; then lend again.",
        "loan-borrower": "Let the borrower do it, as themselves.",
        "loan-sealed": "Ask for another hand-over, and find out who changed the register: patchline audit verify.",
        "loan-provable": "Look what stands in the way: patchline loan show ID. Only what is lent by hand, or in quarantine, is told.",
        "webhook-secret": "Let its owner alone read it: chmod 600.",
        "token-file": "Let its owner alone read it: chmod 600.",
        "setup-script": "Make it executable, and writable for its owner alone: chmod 755.",
        "setup-production": "Setups are for tests: add a site of their own with --environment test.",
        "file-exists": "Choose another name, or remove the file first.",
        "fingerprint": "Ask the key's person again, by voice or on paper. Do not sign before both are equal.",
        "fingerprint-unused": "Every --fingerprint must be of a key that is new to you in this document.",
        "permission": "Run it as the owner of the file, or change who may use it.",
        "reinstatement": "Publish a new revision; what a policy recalls stays recalled.",
        "trust-product": "Ask the vendor for the trust file of this product.",
        "list-baseline": "Give the list of the baseline named by --baseline.",
        "trust-fingerprint": "Ask the vendor again, by phone; do not use this trust file until they agree.",
        "not-confirmed": "Answer yes, or give --yes.",
        "root-step": "Run as the owner of the folders, or ask the vendor for a policy that allows steps as root.",
        "needs-root": "Run as root.",
        "interpreter": "Steps run only with interpreters that belong to root.",
        "emergency": "Go on with --accept-emergency, or wait until it is ratified.",
        "irreversible": "Go on with --accept-irreversible, knowing what stays.",
        "channel-older": "Take the newest one; after a restored backup, raise its number above what was published.",
        "channel-fork": "Give the new one the next number.",
        "channel-product": "Publish it under its own product.",
        "channel-client": "Sign the client with the release key of every product: patchline bundle release patchline-site.pyz.",
        "channel-vanish": "Hold or recall it first: patchline hotfix hold, patchline recall propose.",
        "channel-replaced": "A published revision stays what it is; publish the next revision.",
        "channel-full": "Ask the root's holders for new targets with another list, or withdraw what was recalled.",
        "plan-changed": "Make a new plan, and look at what is different.",
        "no-customer": "Make a hotfix for each customer, or edit whom the two are for.",
        "unknown-person": "Add the person first: patchline person add ID --name NAME; or act as another with --as.",
        "disabled-person": "Somebody else must do it.",
        "person-exists": "Choose another id; or give --role alone to add roles to this person.",
        "last-manager": "Make somebody else a release manager first: patchline person add ID --role release-manager",
        "role": "Ask somebody who holds the role; patchline person list shows who does.",
        "home-exists": "Use it as it is; doctor shows what is missing: patchline doctor. Or name another with --home.",
        "home-not-empty": "Name a folder that is empty or not there yet.",
        "other-restore": "Finish the restore that was broken off, with its own backup; or remove the folder.",
        "no-channel": "Name what was published with --channel PLACE. If it is lost, say so with --channel lost: sites will "
        "refuse what is published until its versions are above those that they have seen.",
        "older-channel": "Name the channel as it was published last; this one is older than the backup's.",
        "database-rule": "What the database refuses is never right; look at patchline audit export for what happened.",
        "voted": "Nothing to do: one person has one vote.",
        "other-key": "Sign with the key of this browser; the page of your keys lists them, and makes one.",
        "browser-key-ended": "Sign with another key, or make a new one in this browser.",
        "key-enrolled": "Nothing to do: the key is listed with your keys.",
        "other-statement": "Load the page anew, look at what it shows, and sign that.",
        "looks-only": "Somebody with another role must do it; auditors look.",
        "enough": "Nothing to do: publish it, or look with patchline hotfix show ID.",
        "part-taken": "Somebody who had no part in it must approve.",
        "disabled-voter": "Somebody else must approve; the policy should no longer name them.",
        "scope": "Sign again for every customer it is for; patchline hotfix show ID lists them.",
        "policy-older": "Take the newest policy; an older one is never taken back.",
        "other-bundle": "Build it for this hotfix, product, baseline and revision, or name the right one.",
        "not-publishable": "patchline hotfix show ID lists everything that is missing.",
        "not-simulated": "Try it on every known level first: patchline hotfix simulate ID",
        "unsigned-evidence": "Write them into the statement (hotfix evidence --statement), then sign it: bundle sign.",
        "void": "Recall it: what was approved does not just disappear. patchline recall propose --void.",
        "recall-statement": "patchline hotfix show ID tells what is known of its recalls.",
        "hotfix-exists": "Choose another id, or leave it out of the list.",
        "ring-exists": "`patchline ring list` shows the rings there are.",
        "rollout-scope": "Name sites of customers whom the approvals name, on that baseline; rollouts never go beyond them.",
        "acknowledgement": "Name the moment at which it was said, and a site of that product.",
        "notice-names": "Write the title or reason without a customer's name: customers read nothing of others.",
        "rollout-empty": "`patchline hotfix show ID` tells whom it is for; `patchline site list` shows the sites.",
        "junit": "Give the XML that the test runner wrote.",
    }


_NEW_CODE = "Make a new code: patchline site enrol SITE. The site runs patchline-site enrol CODE again."


class AccessError(RefusedError):
    """Nobody, or nobody any more, is known to ask."""

    family = "access"
    http_status = 401
    hints: ClassVar[dict[str, str]] = {
        "signed-out": "Sign in, and try again.",
        "wrong": "Try again in a moment. Without a password: ask a release manager for a link.",
    }


class OutsideError(AccessError):
    """Signing in at an identity provider that failed."""

    family = "outside"
    hints: ClassVar[dict[str, str]] = {
        "answer": "Begin again on the page where you sign in.",
        "token": "Begin again; if it stays so, tell who runs this server.",
        "unknown": "Ask a release manager for a link; by it your account there is bound to you here, once.",
        "bound": "Sign in with the account that is bound, or ask a release manager to bind the other one.",
    }


class ProviderError(OutsideError):
    """An identity provider that cannot be asked."""

    family = "provider"
    http_status = 503
    hints: ClassVar[dict[str, str]] = {
        "down": "Try again in a moment, or sign in with your password.",
        "other": "Tell who runs this server; the settings oidc_* must name the provider as it calls itself.",
    }


class LinkError(RefusedError):
    """A link by which somebody sets a password."""

    family = "link"
    hints: ClassVar[dict[str, str]] = {
        "unknown": "Check that the whole link arrived, or ask a release manager for a new one.",
        "used": "Sign in with your password, or ask a release manager for a new link.",
        "expired": "Ask a release manager for a new one; links are good for a day.",
    }


class TriesError(RefusedError):
    """Too many tries to sign in."""

    family = "tries"
    http_status = 429
    hints: ClassVar[dict[str, str]] = {
        "pause": "Wait a few minutes. Pauses grow with every try, up to five minutes.",
    }


class EnrolmentError(RefusedError):
    """A site's key that is to be enrolled."""

    family = "enrolment"
    hints: ClassVar[dict[str, str]] = {
        "code-unknown": _NEW_CODE,
        "code-used": _NEW_CODE,
        "code-expired": _NEW_CODE,
        "other-site": "Name the site for which its code was made; patchline report import finds it by itself.",
        "product": "Make the code for the site of that product, or enrol the other installation.",
        "key-elsewhere": "One of the two is a copy of the other: patchline-site enrol CODE --new-key at the copy.",
        "key-ended": "Make a new key at the site: patchline-site enrol CODE --new-key.",
        "site-elsewhere": "It is a copy of that site: remove its state and run patchline-site init there anew.",
        "fingerprint": "Ask the customer to read it again: patchline-site enrol shows it. Unequal means another key.",
    }


class EntitlementError(RefusedError):
    """Why a customer gets no bytes."""

    family = "entitlement"
    hints: ClassVar[dict[str, str]] = {
        "not-published": "patchline hotfix show ID tells how far it is.",
        "held": "Wait until it is let go again or recalled: patchline hotfix show ID.",
        "recalled": "Name its replacement: patchline hotfix show ID.",
        "wrong-customer": "It is for other customers; make a hotfix for this one.",
        "not-entitled": "A release manager adds it: patchline entitlement add CUSTOMER --product P.",
        "expired": "A release manager renews it: patchline entitlement add CUSTOMER --product P --until DATE.",
        "embargo": "Wait until the embargo ends.",
        "not-reached": "Wait until its rollout comes to this site: the portal and patchline-site fetch show it then.",
    }


class TokenError(RefusedError):
    """A token that lets nobody in."""

    family = "token"
    http_status = 401
    hints: ClassVar[dict[str, str]] = {
        "missing": "Send the token as the header `Authorization: Bearer TOKEN`.",
        "unknown": "Check that the whole token arrived; patchline token list shows which there are.",
        "expired": "Make another one: patchline token new.",
        "revoked": "Make another one: patchline token new.",
        "owner-gone": "Make one for somebody who may act: patchline token new.",
    }


class ScopeError(TokenError):
    """A token that is good for something else."""

    family = "scope"
    http_status = 403
    hints: ClassVar[dict[str, str]] = {
        "scope": "Make one with this scope: patchline token new --scope.",
        "site": "Use the token of that site.",
    }


class BudgetError(RefusedError):
    """More requests than a minute allows.

    Attributes:
        wait: seconds until there are more.
    """

    family = "budget"
    http_status = 429
    hints: ClassVar[dict[str, str]] = {
        "spent": "Wait as long as Retry-After says; ask less often, or for larger pages.",
    }

    def __init__(self, code: str, message: str, wait: int = 60) -> None:
        super().__init__(code, message)
        self.wait = wait


class IdempotencyError(RefusedError):
    """A key that was used for another request."""

    family = "idempotency"
    http_status = 422
    hints: ClassVar[dict[str, str]] = {
        "other-request": "Choose a new key for each request; the same key repeats the same request.",
    }


class UnderWayError(IdempotencyError):
    """A key whose request is still under way."""

    family = "under-way"
    http_status = 409
    hints: ClassVar[dict[str, str]] = {
        "under-way": "Send the same request with the same key again in a moment.",
    }


class SealedKeyError(RefusedError):
    """A private key's file."""

    family = "sealed"
    hints: ClassVar[dict[str, str]] = {
        "passphrase": "Try again; the file itself is undamaged.",
        "empty-passphrase": "Choose a passphrase; a key is never stored without one.",
        "damaged": "Restore the key's file from your copy.",
        "format": "A newer patchline made this key; use that one.",
        "cost": "Patchline makes no such key; where does this file come from?",
        "exists": "Choose another name, or move the old key away first.",
        "unreadable": "The key must be a regular file that you may read, not a link.",
        "unwritable": "Check the folder's rights and the free space.",
        "permissions": "Only its owner may read a key: chmod 600, and check who owns it.",
    }


class StateError(PatchlineError):
    """The right request at the wrong moment."""

    family = "state"
    exit_code = 13
    http_status = 409
    hints: ClassVar[dict[str, str]] = {
        "kit-orders": "Wait until they are made.",
        "webhook-removed": "Nothing to do; patchline webhook add makes another one.",
        "member-last": "Invite another administrator first.",
        "loan-state": "patchline loan show ID tells how it stands.",
        "loan-taken": "Ask for another time, or for another setup: patchline loan list --setup SETUP; patchline setup list.",
        "loan-target": "Look whether the target runs and what its log says; then lend again.",
        "loan-maker": "Its owner puts an account for lending at setups/SETUP/lending/ENDPOINT: docs/vault.md, Lending.",
        "loan-by-hand": "Its owner puts a program with create and delete in place: docs/vault.md; or lends it by hand.",
        "loan-unopened": "Ask the lender for it, or let the broker make it: patchline loan open ID.",
        "loan-broker": "Look whether the broker runs (patchline worker --broker), then run it again.",
        "loan-nothing": "Its owner adds endpoints: patchline setup edit; or ask for another one.",
        "setup-other": "`patchline setup show SETUP` shows what there is; mend the row, or leave it out.",
        "setup-login": "Look at the account at its target; patchline setup test tries it again. Nothing is lost: Vault keeps both passwords.",
        "setup-target": "Look why the target does not do it, then run it again; Vault keeps both passwords until it is done.",
        "setup-old-alive": "Look who may still log in at the target with it, then run it again; Vault keeps both passwords until it is done.",
        "setup-by-hand": "Change it there by hand, or put the program HOME/setups/SETUP/ENDPOINT in place: docs/vault.md.",
        "setup-exists": "`patchline setup show SETUP` shows it.",
        "site-setup": "patchline setup edit SETUP --facet KIND=VALUE.",
        "setup-vault-older": "Vault was restored from an older backup: set the password at the target, and write it into Vault by bao kv put.",
        "setup-lent": "Wait until it is back and its login there is proved dead: patchline loan list.",
        "notices-changed": "Read them again, then send them.",
        "level-unknown": "Ask for a report, or type in what they tell: patchline report import, patchline site tell.",
        "site-copy": "Add a site for the copy first, of the same customer and product: patchline site add.",
        "changed-meanwhile": "Run the command again; nothing was changed.",
        "disk-full": "Free some space and run the command again.",
        "source-changed": "Run the command again when nobody writes to the file.",
        "nothing-carried": "patchline campaign show ID tells how it stands.",
        "issue-exists": "Say more of it with patchline issue mark.",
        "product-exists": "`patchline product list` shows it.",
        "customer-exists": "`patchline customer show ID` shows it; `patchline customer import` changes what differs.",
        "site-exists": "`patchline site show SITE` shows it; names of sites are unique among all customers.",
        "site-retired": "patchline site list shows the sites in service.",
        "no-enrolment": "Take what the site wrote first: patchline site enrol SITE --take FILE.",
        "entitlement-exists": "patchline entitlement list shows it; end it first to change it.",
        "entitlement-ended": "Nothing to do; patchline entitlement list shows what counts.",
        "site-node": "Name the site itself, of the same customer and product; a node has no nodes.",
        "alias-exists": "Choose another alias, or leave it out: one is made.",
        "baseline-exists": "A baseline stays as it was added; a release that differs gets a version of its own.",
        "channel-upload": "Upload it again; publishing does so.",
        "channel-empty": "Make root and targets (patchline trust root, trust targets), then run `patchline channel root`.",
        "channel-rotation": "Run the same `patchline channel root` again; it goes on where it was.",
        "channel-behind": "Take the newest root and targets by `patchline channel root`, then `patchline channel renew --above STATE`.",
        "input-output": "Check the disk and its mount, then run the command again.",
        "clock": "Set this machine's clock right, then run the command again; rollback works meanwhile.",
        "mail-server": "Check the server and the settings smtp_*, then run it again: who was told is not told twice.",
        "rollout-exists": "patchline rollout show ID; it goes on, or is stopped first.",
        "rollout-state": "patchline rollout show ID tells how it stands.",
        "rollout-last": "Nothing to do; patchline rollout show ID tells who lacks it still.",
        "rollout-errors": "Look at them: patchline rollout show ID. To go on with them: rollout pause, then rollout start.",
        "frozen": "Wait for its end, or end it: patchline freeze list, patchline freeze end NUMBER.",
        "freeze-over": "Nothing to do.",
        "hotfix-state": "patchline hotfix show ID tells what may be done with it.",
        "edited": "Look at it again: somebody else changed it meanwhile.",
        "open-revision": "Go on with that revision, or abandon it first.",
        "other-build": "Give the results to the bundle that was tested, or test this one.",
    }


class StoreError(StateError):
    """Where bundles and the channel are kept."""

    family = "store"
    hints: ClassVar[dict[str, str]] = {
        "url": "Name a folder, or an object store as s3://, gs:// or az://; its access comes from the environment.",
        "unreachable": "Check that the store answers and may be used, then run the command again.",
        "too-large": "Patchline never writes such a file; find out who changed the store.",
        "missing": "Restore the store from its backup; the register knows what must be in it.",
        "other-size": "Restore the file from a backup; the register knows what it must be.",
        "damaged": "Restore the file from a backup; the register knows what it must be.",
    }


_AGAIN = "Run the command again; what has arrived is kept."


class SourceError(StateError):
    """A channel's files that cannot be had."""

    family = "source"
    hints: ClassVar[dict[str, str]] = {
        "address": "Give the channel's address as http(s)://…, or a folder or kit.",
        "unreachable": "Check the address, the network and the proxy (https_proxy); then run the command again.",
        "slow": _AGAIN,
        "cut": _AGAIN,
        "status": "Try again later; if it stays, tell the vendor.",
        "missing": "Check the address; if it is right, tell the vendor what is missing.",
        "unauthorized": "Save a token for this site from the vendor's portal in a file (chmod 600), and name that: --token-file FILE.",
        "forbidden": "Ask the vendor what this site is entitled to; the portal shows it, too.",
        "no-ranges": "Ask whoever runs the web server to allow ranges; whole files arrive without.",
        "too-large": "Do not use this source, and tell the vendor: it gives more than is signed.",
        "no-channel": "Give the address or folder that holds `metadata`, or a kit.",
        "none": "Name where to fetch from with --from; the trust file of this site names no channel.",
        "webhook": "Look at the receiver; patchline webhook deliveries NUMBER tells what it answered before.",
        "no-vendor": "Name the vendor's server with --to, or set PATCHLINE_VENDOR.",
        "refused": "Ask the vendor; the report can also be handed over as a file: patchline-site report --out FILE.",
    }


_REPOSITORY = "Run git fsck in the repository, or take a fresh clone."


class BuildError(PatchlineError):
    """A bundle that cannot be built."""

    family = "build"
    exit_code = 14
    http_status = 422
    hints: ClassVar[dict[str, str]] = {
        "artefact-mixed": "Give one folder, or files alone.",
        "artefact-twice": "Put them into folders, and give the folder above.",
        "merge-base": "Give the folder of the baseline, as it was released.",
        "merge-conflict": "Merge both on a branch from the baseline and give it with --head; folders, build the merged one.",
        "merge-pair": "Two one-offs of one baseline and one kind of source are merged; others are built as a cumulative.",
        "merge-texts": "Say in a recipe what holds for the merged one, and give it with --recipe.",
        "no-commit": "Add the baseline by its tag, or build the hotfix from folders.",
        "base-moved": "A release gets a new tag; find out who moved this one, or name the base by its full commit id.",
        "contributors": "Name at least one person with --contributor, as in the people file.",
        "empty": "Check --base and --head, or describe steps or guidance in the recipe.",
        "file-too-large": "A bundle carries files of less than 8 GiB.",
        "fix-not-contained": "Merge that fix into the head, list it, or leave the bundle out of --onto.",
        "fix-unknown": "Name the fix with --fix or in the recipe, or correct its id.",
        "fix-without-path": "Name its paths in the recipe or with --fix-paths, or leave the fix out.",
        "folder": "Create the folder first, or check the path.",
        "folder-emptied": "Remove the folder in the head as well, or keep a file in it.",
        "link": "A link must stay inside its root; ship the file itself.",
        "link-encoding": "Give the link a target in UTF-8.",
        "manifest": "Change what the message names, in the recipe, the options or the source.",
        "no-order": "Name the earlier hotfix in the recipe under requires or supersedes.",
        "not-reproduced": "Do not approve it; ask the builder what it was built from.",
        "onto-baseline": "Give only bundles that are for this baseline.",
        "onto-product": "Give only bundles of this product.",
        "onto-twice": "Give each bundle once.",
        "out-inside": "Write the bundle to a folder of its own.",
        "path": "Rename it in the source, leave its folder out of the roots, or the platform out of the target.",
        "path-encoding": "Rename it in the source; names at a site are UTF-8.",
        "path-twin": "Rename one of them; the target platform cannot hold both.",
        "pattern-unmatched": "Correct the pattern; ** crosses folders, and ROOT: goes before it.",
        "people-address": "Write addresses in lower case, as NAME@HOST.",
        "people-key": "Write key = and a secret of at least 32 characters; keep it, or no bundle can be rebuilt.",
        "people-person": "A person id looks like ada or ada.l.",
        "people-syntax": "A people file has a key and a table [people].",
        "people-twice": "Give each address to one person.",
        "root-not-folder": "Map another folder of the source to this root.",
        "secret": "Take it out and change what it opens; if it is no secret, give --allow PATH=REASON.",
        "simulation": "Do not ship it: report it with the source and the recipe, or build a smaller change.",
        "simulation-place": "Write the bundle to a folder that only you can change.",
        "source-changed": "A file changed while the bundle was written; build again.",
        "special-file": "Take sockets, pipes and devices out of the folder.",
        "special-rights": "Take the setuid and setgid bits off, and set them in a step if they must be.",
        "title": "Give --title, or name a fix with --fix ID=TITLE.",
        "unexplained": "Name the fix in the commit (Fixes: ID), in the recipe, or with --fix-paths ID=GLOB.",
        "client-library": "Make the environment anew from the hash-pinned requirements: make clean setup",
    }


class GitError(BuildError):
    """The git source of a bundle."""

    family = "git"
    hints: ClassVar[dict[str, str]] = {
        "address": "Set remote.NAME.url of the clone to an https, ssh or file address or an existing folder.",
        "commit-malformed": _REPOSITORY,
        "damaged": _REPOSITORY,
        "fetch-failed": "Check the network and your rights there, or build from a full clone.",
        "lfs-pointer": "Build from folders that hold the real files: --base-dir and --head-dir.",
        "merge-commit": "Name the commits of its branch one by one, or a range without merges.",
        "no-commits": "Write a range as OLDER..NEWER; the older end is left out.",
        "not-on-baseline": "Make the branch from the baseline: git switch -c NAME TAG.",
        "no-tag": "A release is pinned by its tag: git tag NAME COMMIT.",
        "no-git": "Install git 2.36 or newer.",
        "not-a-repository": "Give the top folder of a work tree, or a bare repository.",
        "object-corrupt": _REPOSITORY,
        "staged-missing": "Everything is as it was before; try again, and check the disk when it happens twice.",
        "object-missing": "Build from a full clone, or run git fsck in this one.",
        "ref-ambiguous": "Write the full name, such as refs/tags/NAME.",
        "ref-malformed": "Give a tag, branch or commit id; ~N and ^ may follow.",
        "ref-missing": "List what there is with git tag or git branch -a.",
        "ref-not-commit": "Give a tag, branch or commit id.",
        "ref-option": "A ref does not begin with a dash.",
        "reversed": "Exchange --base and --head.",
        "shallow-history": "Run git fetch --unshallow in the clone, so that everybody who contributed is known.",
        "submodule": "Build from folders that hold the real files: --base-dir and --head-dir.",
        "tag-moved": "Find out who moved it and why; a release gets a new tag, or name the commit by its full id.",
        "too-large": "Build from folders, or leave the object out of the release.",
        "too-old": "Install git 2.36 or newer.",
        "too-old-to-merge": "Install git 2.38 or newer.",
        "tree-malformed": _REPOSITORY,
        "unreadable": "Run it as somebody who may read the repository.",
        "unrelated": "Check that both refs belong to one product.",
    }


class RecipeError(BuildError):
    """The recipe of a bundle (`hotfix.toml`)."""

    family = "recipe"
    hints: ClassVar[dict[str, str]] = {
        "duplicate": "Give each fix one table.",
        "encoding": "Save the file as UTF-8.",
        "file": "Put the file beside the recipe, or below.",
        "missing": "Add the key; patchline bundle recipe writes a commented example.",
        "syntax": "Correct the line; patchline bundle recipe writes a commented example.",
        "type": "Correct the value; patchline bundle recipe writes a commented example.",
        "unknown-key": "Check the spelling; patchline bundle recipe writes a commented example.",
        "value": "Correct the value; patchline bundle recipe writes a commented example.",
    }


class TrialError(BuildError):
    """What `patchline try` found; the exit code is that of the command that failed."""

    family = "trial"
    hints: ClassVar[dict[str, str]] = {
        "command": "Run it again with --keep, then run the failed command by hand where it was run.",
        "tree": "This is a bug in Patchline; please report it with the paths.",
        "too-fast": "Try again; the machine was faster than the kill.",
    }

    def __init__(self, code: str, message: str, *, exit_code: int | None = None, hint: str | None = None) -> None:
        super().__init__(code, message, hint=hint)
        if exit_code is not None:
            self.exit_code = exit_code  # type: ignore[misc]


class MalformedError(PatchlineError):
    """Bytes that are not what they claim to be."""

    family = "malformed"
    exit_code = 20
    http_status = 422
    hints: ClassVar[dict[str, str]] = {
        "not-a-file": "Name a regular file.",
        "file-too-large": "This is hardly the file you meant; check the path.",
        "certificate": "Name the file that your certificate authority gave, in PEM, the server's own certificate first.",
    }


_CUT = "The file was cut short, often by a broken download; fetch it again."
_FOREIGN = "Patchline never packs like this: do not use the file, and tell whoever sent it."
_DAMAGED = "The file is damaged or was not made by patchline; fetch it again."


class ArchiveError(MalformedError):
    """The container: tar and gzip."""

    family = "archive"
    hints: ClassVar[dict[str, str]] = {
        "name": "Names in the archive are made by the format; this is a fault of the program.",
        "member-too-large": "Format 1 carries files below 8 GiB.",
        "source-size": "The file changed while it was read; build again.",
        "missing-member": _DAMAGED,
        "padding": _DAMAGED,
        "end-block": _DAMAGED,
        "trailing-data": _DAMAGED,
        "truncated": _CUT,
        "unknown-member": _FOREIGN,
        "duplicate-member": _FOREIGN,
        "member-order": _DAMAGED,
        "type-old": _FOREIGN,
        "type-hard-link": _FOREIGN,
        "type-link": _FOREIGN,
        "type-device": _FOREIGN,
        "type-folder": _FOREIGN,
        "type-fifo": _FOREIGN,
        "type-pax": _FOREIGN,
        "type-pax-global": _FOREIGN,
        "type-long-name": _FOREIGN,
        "type-sparse": _FOREIGN,
        "owner": _FOREIGN,
        "time": _FOREIGN,
        "link-name": _FOREIGN,
        "owner-name": _FOREIGN,
        "device-number": _FOREIGN,
        "name-prefix": _FOREIGN,
        "header-end": _FOREIGN,
        "magic": _DAMAGED,
        "checksum": _DAMAGED,
        "type": _FOREIGN,
        "name-empty": _FOREIGN,
        "name-after-nul": _FOREIGN,
        "name-encoding": _FOREIGN,
        "number-binary": _FOREIGN,
        "number": _FOREIGN,
        "mode-special": _FOREIGN,
        "mode": _FOREIGN,
        "gzip-damaged": _DAMAGED,
        "gzip-truncated": _CUT,
        "gzip-too-large": "Do not use this file; it would fill the disk.",
        "gzip-checksum": _DAMAGED,
        "gzip-length": _DAMAGED,
        "gzip-second-stream": _FOREIGN,
        "gzip-trailing-data": _DAMAGED,
        "gzip-magic": _DAMAGED,
        "gzip-flags": _FOREIGN,
        "gzip-time": _FOREIGN,
        "gzip-header": _FOREIGN,
    }


class ZipError(MalformedError):
    """The zip of a release or of a kit."""

    family = "zip"
    hints: ClassVar[dict[str, str]] = {
        "name": _FOREIGN,
        "source-size": "The file changed while it was read; try again.",
        "form": "Take the zip as the vendor made it; another program packed this one, or changed it.",
        "too-many": _FOREIGN,
        "member-too-large": _FOREIGN,
        "truncated": _CUT,
        "crc": _DAMAGED,
        "members": "Take the zip as the vendor made it; a release holds one bundle and what belongs to it, in order.",
    }


class DocumentError(MalformedError):
    """JSON that is not canonical (RFC 8785) or is out of bounds."""

    family = "document"
    hints: ClassVar[dict[str, str]] = {
        "too-large": _DAMAGED,
        "byte-order-mark": _DAMAGED,
        "encoding": _DAMAGED,
        "syntax": _DAMAGED,
        "duplicate-key": _DAMAGED,
        "number": _DAMAGED,
        "integer-range": _DAMAGED,
        "surrogate": _DAMAGED,
        "depth": _DAMAGED,
        "too-many-values": _DAMAGED,
        "not-canonical": _DAMAGED,
    }


_BUILDER = "Ask whoever built the bundle; a builder of this format never writes this."
_CLIENT = "A newer patchline-site is needed; ask the vendor for it."


class ManifestError(MalformedError):
    """A field of the manifest that breaks its rule."""

    family = "manifest"
    hints: ClassVar[dict[str, str]] = {
        "missing": _BUILDER,
        "type": _BUILDER,
        "value": _BUILDER,
        "client": _CLIENT,
        "format": _CLIENT,
        "critical": _CLIENT,
        "identifier": "A hotfix id looks like HF-2026-0012.",
        "unsorted": _BUILDER,
        "duplicate": _BUILDER,
        "fixes": _BUILDER,
        "empty": _BUILDER,
        "path-empty": _BUILDER,
        "path-absolute": _BUILDER,
        "path-parent": _BUILDER,
        "path-dot": _BUILDER,
        "path-double-slash": _BUILDER,
        "path-control": _BUILDER,
        "path-bidi": _BUILDER,
        "path-dash": _BUILDER,
        "path-trailing-dot": _BUILDER,
        "path-trailing-space": _BUILDER,
        "path-too-long": _BUILDER,
        "path-component-too-long": _BUILDER,
        "path-character": "The target platform cannot hold this name.",
        "path-reserved": "The target platform reserves this name.",
        "path-case-twin": "The target platform cannot hold both names.",
        "path-normal-form-twin": "Two names that look the same; rename one of them.",
        "path-reserved-folder": "The name .patchline belongs to the applier.",
        "path-below-file": "A path cannot lie below a file or link of the same bundle.",
        "link-absolute": "A link must stay inside its root.",
        "link-escape": "A link must stay inside its root.",
        "link-empty": _BUILDER,
        "relation": _BUILDER,
        "step": _BUILDER,
        "step-interpreter": _BUILDER,
        "pre-is-post": _BUILDER,
    }


class BundleError(MalformedError):
    """Container and manifest disagree."""

    family = "bundle"
    hints: ClassVar[dict[str, str]] = {
        "not-a-bundle": "Give the .hotfix file itself; one that came inside a zip or a mail must be taken out first.",
        "format": _CLIENT,
        "format-number": _DAMAGED,
        "other-manifest": "Take bundle and sidecars of one revision.",
        "member-size": _DAMAGED,
        "member-digest": _DAMAGED,
        "readme": _DAMAGED,
    }


_BACKUP = "Take an earlier backup; this file is not as patchline backup wrote it."


class BackupError(MalformedError):
    """A backup of the register."""

    family = "backup"
    hints: ClassVar[dict[str, str]] = {
        "missing": _BACKUP,
        "type": _BACKUP,
        "value": _BACKUP,
        "name": _BACKUP,
        "tables": _BACKUP,
        "damaged": _BACKUP,
        "audit": "Take an earlier backup, and keep this one: somebody changed the register before it was made.",
    }


class VerificationError(PatchlineError):
    """Not verified."""

    family = "verification"
    exit_code = 21
    http_status = 422
    hints: ClassVar[dict[str, str]] = {
        "container": "The file was packed again or is damaged; fetch the one that the vendor released.",
    }


_KEY = "Only P-256 and Ed25519 keys are used; `patchline key new` makes them."
_HOSTILE_KEY = "No honest program makes such a key; do not use it, and ask where it came from."
_SIGNATURE = "Fetch the files again; if it stays, somebody changed them: tell the vendor."


class SignatureError(VerificationError):
    """Keys and signatures."""

    family = "signature"
    hints: ClassVar[dict[str, str]] = {
        "missing": _KEY,
        "type": _KEY,
        "value": _KEY,
        "key-pem": "Give a public key as PEM (BEGIN PUBLIC KEY), as `patchline key public` prints it.",
        "key-kind": _KEY,
        "key-not-canonical": _HOSTILE_KEY,
        "key-off-curve": _HOSTILE_KEY,
        "key-small-order": _HOSTILE_KEY,
        "key-mixed-order": _HOSTILE_KEY,
        "point-not-canonical": _SIGNATURE,
        "point-off-curve": _SIGNATURE,
        "point-small-order": _SIGNATURE,
        "length": _SIGNATURE,
        "scalar": _SIGNATURE,
        "der": _SIGNATURE,
        "range": _SIGNATURE,
        "mismatch": _SIGNATURE,
    }


_REPORT = "The client of the site wrote it otherwise, or somebody changed it: ask for it again, as a file."
_SIGNER = "Ask whoever signed it; patchline never writes this."
_OTHER = "These files do not belong together; fetch all files of one hotfix again."
_BUILDER_KEY = "Fetch the provenance anew; it must be signed by a builder whom the policy knows."


class StatementError(VerificationError):
    """Provenance and approval statements."""

    family = "statement"
    hints: ClassVar[dict[str, str]] = {
        "missing": _SIGNER,
        "type": _SIGNER,
        "value": _SIGNER,
        "base64": _SIGNATURE,
        "sidecar-too-large": _SIGNATURE,
        "sidecar-too-many": _SIGNATURE,
        "sidecar-line": _SIGNATURE,
        "envelope-fields": _SIGNATURE,
        "payload-type": _SIGNATURE,
        "unsigned": _SIGNER,
        "signature-twice": _SIGNATURE,
        "several-signatures": "Each approval stands on a line of its own; fetch the file again.",
        "statement-type": _SIGNER,
        "predicate-type": _SIGNER,
        "build-type": "A newer patchline-site is needed; ask the vendor for it.",
        "subject-count": _SIGNER,
        "subject-digest": _SIGNER,
        "subject": _OTHER,
        "product": _OTHER,
        "hotfix": _OTHER,
        "revision": _OTHER,
        "source": _OTHER,
        "container": "Sign the statement that was made with this very bundle, or build again.",
        "approval-fields": _SIGNER,
        "decision": _SIGNER,
        "emergency": "Approve an emergency for named customers: --emergency HOURS --scope CUSTOMER.",
        "scope": _SIGNER,
        "recall-fields": _SIGNER,
        "enrolment-fields": "Give the file that patchline key enrol wrote.",
        "enrolment-key": "Make it again with the key itself: patchline key enrol NAME.",
        "site-enrolment": "Give the file that patchline-site enrol wrote, unchanged.",
        "recall-file": "Give the file that patchline recall propose or reinstate wrote.",
        "recall-bundle": "Give --bundle FILE: who gives a hotfix free again must look at it.",
        "replacement": "Name another revision as the replacement, or none.",
        "provenance-missing": _BUILDER_KEY,
        "provenance-unknown-key": _BUILDER_KEY,
        "provenance-purpose": _BUILDER_KEY,
        "provenance-revoked": _BUILDER_KEY,
        "provenance-retired": _BUILDER_KEY,
        "release-line": "The file holds one line as sha256sum writes it; fetch it again.",
        "release-digest": "The bundle is not the one that was released; fetch it again.",
        "release-key": "Use the key that the policy names for releases.",
        "release-signature": "No release key of the policy made this signature; fetch it again or ask the vendor.",
    }


class ApprovalError(VerificationError):
    """Too few approvals, and why others do not count."""

    family = "approval"
    hints: ClassVar[dict[str, str]] = {
        "quorum": "Fetch the approvals anew; if persons are missing, the vendor must collect them.",
        "independent": "Somebody must approve with a key on their own machine: patchline bundle approve.",
        "reproduced": "Somebody must approve after rebuilding: patchline bundle approve --repo.",
        "roles": "Somebody who holds the role must approve.",
        "unknown-key": "The signer is not in the policy, or not any more; take the newest policy, or ask the vendor.",
        "purpose": "Approve with an approver's key.",
        "revoked": "The key was revoked; its person must approve with another one.",
        "retired": "The key was retired before this hotfix was published; its person must approve with another one.",
        "contributor": "Somebody who did not contribute to the hotfix must approve.",
        "builder": "Somebody who did not build the bundle must approve.",
        "scope": "Ask the vendor for an approval that names you as a customer.",
        "emergency-none": "Collect ordinary approvals; the policy would need an emergency rule.",
        "emergency-steps": "Collect ordinary approvals, or build it without such steps.",
        "emergency-quorum": "More persons must approve: patchline bundle approve --emergency HOURS --scope CUSTOMER.",
        "emergency-independent": "Somebody must approve with a key on their own machine: patchline bundle approve.",
        "emergency-roles": "Somebody who holds the role that the policy names for emergencies must approve.",
        "emergency-hours": "Grant no more hours than the policy does.",
    }


_VENDOR = "Ask the vendor for the file again; patchline never writes this."
_NEWEST = "Keep what you have: it is newer."
_FORK = "Stop and tell the vendor: two documents of one number must never exist."


class TrustError(VerificationError):
    """Root, policy and trust file."""

    family = "trust"
    hints: ClassVar[dict[str, str]] = {
        "missing": _VENDOR,
        "type": _VENDOR,
        "value": _VENDOR,
        "format": "A newer client is needed; ask the vendor for it.",
        "critical": "A newer client is needed; ask the vendor for it.",
        "client": "A newer client is needed; ask the vendor for it.",
        "root-malformed": _VENDOR,
        "root-key": "Only P-256 and Ed25519 keys, each under the digest of itself, may stand in a root.",
        "root-threshold": "The threshold must be at least 1 and at most the number of keys.",
        "root-signatures": "The holders of the root's keys must sign it: patchline trust sign.",
        "root-predecessor": "The holders of the earlier root's keys must sign the new one too.",
        "root-older": _NEWEST,
        "root-gap": "Take the roots in between first, one after the other.",
        "root-fork": _FORK,
        "kit-root": "Make the root of kits with the keys of the newest root: patchline trust root --kit.",
        "root-tree": "A channel and its kits have roots of their own; take the one that belongs here.",
        "policy-signatures": "The holders of the root's targets keys must sign it; after a new root, take both at once.",
        "policy-product": "Root, policy and trust file must be for one product.",
        "policy-older": _NEWEST,
        "policy-fork": _FORK,
        "policy-chain": "Make the policy with --previous, from the newest one.",
        "policy-recalls": "A recall is permanent; the vendor must make the policy anew.",
        "key-purpose": "A key has one purpose; make another one.",
        "key-ended": "Nothing to do: a revoked key stays revoked.",
        "key-twice": "A key has one person and one purpose; make another one.",
        "keyid": "A key's id is the SHA-256 of the key; patchline writes no other.",
        "no-rule": "Add a rule without `match`.",
        "threshold": "Name how many persons are needed, at least 1.",
        "unreachable": "Add approvers, or lower the rule.",
        "unknown-document": "Give a root, a policy or a trust file.",
        "product": "This trust file is for another product.",
        "other-product": "This hotfix is for another product than this installation.",
        "customer": "This trust file is for another customer.",
        "baseline-unknown": "Ask the vendor for a trust file that knows this baseline.",
        "baseline-list": "The list of files is not the one that the trust file knows; fetch it again.",
    }


class AuditError(VerificationError):
    """The audit chain."""

    family = "audit"
    hints: ClassVar[dict[str, str]] = {
        "missing": "Give a checkpoint as the channel has it, status/checkpoint.json.",
        "type": "Give a checkpoint as the channel has it, status/checkpoint.json.",
        "value": "Give a checkpoint as the channel has it, status/checkpoint.json.",
        "checkpoints": "Two chains were told outside; keep both, and ask who made them.",
        "pack": "Ask for the pack again, and compare with a checkpoint that you kept; somebody may have changed it.",
        "restored": "Ask who restored it and why; checkpoints that are newer than the restore must agree.",
        "gap": "Somebody removed events; keep the database as it is and compare with a backup.",
        "changed": "Somebody changed events; keep the database as it is and compare with a backup.",
        "other-chain": "This is not the chain that was told outside; compare with a backup.",
        "cut-off": "Events are missing at the end, as after a restore; compare with a backup.",
    }


class ReportError(VerificationError):
    """The report of a site."""

    family = "report"
    hints: ClassVar[dict[str, str]] = {
        "too-large": "Give the file that patchline-site report --out wrote, alone.",
        "text": "Give the file that patchline-site report --out wrote, or the text of the mail with it.",
        "truncated": "Ask for it again, as a file: patchline-site report --out report.json.",
        "several": "Import them with patchline report import, which takes several at once.",
        "other-document": "Give the file that patchline-site report --out wrote.",
        "fields": _REPORT,
        "missing": _REPORT,
        "type": _REPORT,
        "value": _REPORT,
        "altered": "Somebody changed it on its way, or it was damaged: ask for it again, as a file. It was not taken.",
        "unknown-key": "Enrol the site: patchline site enrol SITE. Until then its reports are carried by hand.",
        "unsigned": "Enrol the site: patchline site enrol SITE. Until then its reports are carried by hand.",
        "unknown-site": "Ask the vendor to enrol the site: patchline site enrol SITE.",
        "other-site": "Name the site that it is of, or leave --site out.",
        "told": "Ask for the level again, letter by letter: patchline-site inventory shows label and code.",
        "not-contested": "Nothing to decide: patchline site show SITE tells what is known.",
        "same-epoch": "On the copy, remove its state, run patchline-site init anew and enrol it for NEW; then "
        "patchline site accept-restore SITE.",
    }


class RecallListError(VerificationError):
    """The recall list."""

    family = "recalls"
    hints: ClassVar[dict[str, str]] = {
        "missing": _VENDOR,
        "type": _VENDOR,
        "value": _VENDOR,
        "format": "A newer client is needed; ask the vendor for it.",
        "unsorted": _VENDOR,
        "unsigned": _VENDOR,
        "several-signatures": _VENDOR,
        "product": "Take the recall list of the product of this site.",
        "older": _NEWEST,
        "fork": _FORK,
        "number": "Tell the vendor: no honest list has such a number.",
        "lost": "Tell the vendor: a recall is permanent, and somebody took it out of the list.",
    }


_CHANNEL = "Fetch again, best by another network; if it stays, somebody changed the channel: tell the vendor."


class ChannelError(VerificationError):
    """The channel's metadata, targets and kits."""

    family = "channel"
    hints: ClassVar[dict[str, str]] = {
        "missing": _VENDOR,
        "type": _VENDOR,
        "value": _VENDOR,
        "target-name": "Tell the vendor; patchline publishes no such name.",
        "life": "Check this machine's clock; if it is right, tell the vendor: somebody else may hold a key of theirs.",
        "metadata": "Fetch it again; if it stays, tell the vendor.",
        "delegations": "Make them anew: patchline trust targets.",
        "signatures": "Too few of its keys signed it: patchline trust sign.",
        "older": _NEWEST,
        "fork": _FORK,
        "forged": _CHANNEL,
        "mixed": _CHANNEL,
        "dropped": _CHANNEL,
        "handed-on": _CHANNEL,
        "root-gap": _CHANNEL,
        "root-many": "Ask the vendor for a newer trust file; no honest channel has so many roots.",
        "no-roles": "Ask the vendor for the root of the channel: patchline-site trust FILE.",
        "wrong-tree": "Fetch from the channel's own address; a kit is given as its folder or zip.",
        "target": "Fetch it again; if it stays, somebody changed it: tell the vendor.",
        "checkpoint": "Compare the audit chain with what was kept outside: patchline audit verify --checkpoint FILE.",
        "vanished": "Ask who publishes; a hotfix leaves the list only after a hold or recall.",
        "target-manifest": "Do not use it, and tell the vendor: it is published under another name than it has.",
        "not-listed": "Ask the vendor which channel is for this product.",
    }


class RelationError(PatchlineError):
    """Does not fit what is applied already."""

    family = "relation"
    exit_code = 22
    http_status = 409
    hints: ClassVar[dict[str, str]] = {
        "product": "Take the hotfix for the product of this site.",
        "baseline": "Ask the vendor for the hotfix built for your baseline.",
        "platform": "Take the hotfix for this platform.",
        "expired": "Ask the vendor whether it is still needed; a diagnostic ends on its day.",
        "requires": "Apply that one first, or give both files to one command.",
        "conflict": "Ask the vendor for a merge of the two.",
        "older-revision": "Nothing to do: the newer revision is applied.",
        "other-manifest": "Ask the vendor why one revision exists twice.",
        "set-revisions": "Give one revision of each hotfix.",
        "cycle": "Ask the vendor; these hotfixes cannot be ordered.",
        "shared-path": "Ask the vendor for a merge of the two.",
        "no-order": "Ask the vendor for a revision that requires the other one.",
        "lost-fix": "Ask the vendor for one that contains the fix, or go on with --accept-loss FIX.",
        "not-on-top": "Roll that one back first.",
        "required": "Roll that one back first, or name both.",
    }


_TAMPERED = "Something other than patchline-site changed the state folder; ask the vendor's support before going on."


class InstallationError(PatchlineError):
    """The folder on disk."""

    family = "installation"
    exit_code = 23
    http_status = 409
    hints: ClassVar[dict[str, str]] = {
        "missing": _TAMPERED,
        "type": _TAMPERED,
        "value": _TAMPERED,
        "state": "Check --state and PATCHLINE_STATE; `patchline-site init` makes a new one.",
        "edited": _TAMPERED,
        "folder": "Check the path and who may read it.",
        "state-owner": "Run as the user who ran `patchline-site init`.",
        "state-open": "Close it with `chmod go-rwx`, or choose another folder with --state.",
        "folder-owner": "Run as the folder's owner: runuser -u OWNER -- patchline-site …",
        "folder-open": "Take the right to write from others; root acts only where nobody else can interfere.",
        "root-missing": "`patchline-site init` again with --root NAME=FOLDER for every root of the product.",
        "root-moved": "If the folder was moved on purpose, run `patchline-site init` there.",
        "root-unknown": "Name the site's own root and state folder; `patchline-site init` makes a new site.",
        "own-folder": "Remove the folder .patchline there if no site uses it, then run `patchline-site init`.",
        "overlap": "Choose folders of which none lies in another.",
        "exists": "It is a site already; use it, or remove the folder named if that site is gone.",
        "cleaned": "Fetch the bundle of the level you want from the vendor.",
        "other-file-system": "Declare that folder as a root of its own at init.",
        "link": "A link that belongs there is declared at init with --follow.",
        "no-folder": "Put the folder back that belongs there, or remove what stands in its place.",
        "folder-in-use": "Move what is yours out of the folder first.",
        "disk-full": "Free the missing bytes, or run `patchline-site cleanup --keep 1`.",
        "changed-meanwhile": "Stop what writes there, then try again.",
        "staged-missing": "Everything is as it was before; try again, and check the disk when it happens twice.",
        "object-missing": "The earlier content is gone; ask the vendor for the bundle of the level you want.",
        "object-changed": _TAMPERED,
        "disk": "Everything is as it was before; check the disk, then try again.",
        "unfinished": "Mend the cause, then run `patchline-site recover`: it ends this wholly before or wholly after.",
        "step": "Everything is as it was before; the output above says what the step found.",
        "changed-file": "Use --override PATH to replace it (it is kept aside), or --preserve PATH to leave it.",
        "missing-file": "Put it back, or leave it so with --preserve PATH.",
        "special-file": "Replace the link or special file by a plain one; a link known at init needs --follow there.",
        "attributes": "Run as a user who may set them, or clear them on the file first.",
    }


class HealthError(PatchlineError):
    """Rolled back after a failed health check."""

    family = "health"
    exit_code = 24
    http_status = 409
    hints: ClassVar[dict[str, str]] = {
        "failed": "The hotfix was undone and everything is as it was before; send the output to the vendor.",
    }


class LockedError(PatchlineError):
    """Somebody else is at it."""

    family = "locked"
    exit_code = 25
    http_status = 423
    hints: ClassVar[dict[str, str]] = {
        "loan": "Run it again in a moment; patchline loan show ID tells how it stands.",
        "site": "Wait until it has ended; a holder that died holds nothing.",
        "kit": "Wait until it has ended; a maker that died holds nothing.",
        "channel": "Run the command again; it goes on from what the other one published.",
        "store": "Wait until it has ended, then run the command again; a writer that died holds nothing.",
        "database": "Try again in a moment; nothing was changed.",
        "address": "Choose another address with --bind, or stop what serves there: ss -ltnp shows it.",
        "passwords": "Try again in a moment.",
    }


_STALE = "Check this machine's clock; then fetch again or ask for a newer kit, or accept it: --accept-stale-until DATE."


class ExpiredError(PatchlineError):
    """Trust or channel expired."""

    family = "expired"
    exit_code = 26
    http_status = 409
    hints: ClassVar[dict[str, str]] = {
        "root": "Check this machine's clock; then ask the vendor for the newest root and take it: patchline-site trust FILE.",
        **dict.fromkeys(("timestamp", "snapshot", "targets", "hotfixes", "status"), _STALE),
        "offline": "The holders of the root's keys must make and sign a newer one: patchline trust root, trust targets.",
        "emergency": "Ask the vendor for the approvals that ratify it, and apply it with those.",
        "recalls": "Fetch, or take a newer kit; --accept-stale-until DATE goes on without, and is recorded.",
    }


class RecalledError(PatchlineError):
    """A recalled hotfix."""

    family = "recalled"
    exit_code = 27
    http_status = 410
    hints: ClassVar[dict[str, str]] = {
        "policy": "Do not use it; ask the vendor for its replacement.",
        "list": "Do not use it; apply its replacement, or ask the vendor for one.",
        "held": "Wait; the vendor lets it go again or recalls it. What is applied may stay.",
    }


_ADMINISTRATOR = "Ask whoever administers Vault."
_SERVER_LOG = "Look into Vault's log and audit log; nothing is shown here, since answers may hold secrets."


class VaultError(PatchlineError):
    """OpenBao or HashiCorp Vault: not to be reached, or it says no."""

    family = "vault"
    exit_code = 30
    http_status = 503
    hints: ClassVar[dict[str, str]] = {
        "address": "Set vault_address to https://HOST:PORT; http is for this machine only, since tokens travel with it.",
        "ca": "Name the file of Vault's certificate authority in PEM: vault_ca.",
        "namespace-name": "Write the namespace as Vault lists it, such as patchline or team/patchline.",
        "no-login": "Log in (bao login), or give a wrapped secret id: PATCHLINE_VAULT_WRAPPED, and vault_role_id.",
        "login": "Check vault_namespace and vault_role_id, and give a new wrapped secret id, made for that role.",
        "login-spent": "Give a new wrapped secret id: each opens one session only.",
        "wrapping-used": "Treat it as stolen until you know who opened it: destroy the role's secret ids, look into the "
        "audit log, then make a new one.",
        "wrapping-other": "Do not use it; it was not made by the AppRole login. Find out who exchanged it.",
        "sealed": "Unseal it (bao operator unseal); everything but Vault goes on meanwhile.",
        "uninitialised": "Set it up first: docs/vault.md.",
        "standby": "Run it again in a moment; if it stays, name the address of the active server.",
        "unreachable": "Check that Vault runs, the address and the network; everything but Vault goes on meanwhile.",
        "frozen": "Restart or mend the server: it takes connections and does not answer.",
        "slow": "Find out what keeps Vault from answering; everything but Vault goes on meanwhile.",
        "tls": "Check the certificate's name and date, and vault_ca; it is never skipped.",
        "gateway": "Look at the proxy before Vault; the server behind it does not answer.",
        "busy": "Wait a little, then run it again; the quota is set in Vault.",
        "behind": "Run it again in a moment; this server has not heard of the change yet.",
        "denied": "Ask whoever administers Vault for the policy of your role; patchline vault status compares them.",
        "token": "Log in again, or give a new wrapped secret id.",
        "missing": "Check the name, and whether your login belongs to this namespace; patchline vault status lists what is there.",
        "namespace": "Check vault_namespace; bao namespace list shows those there are.",
        "conflict": "Somebody else changed it meanwhile; read it again, then decide.",
        "refused": _SERVER_LOG,
        "failed": _SERVER_LOG + " A full disk of the audit log stops every request.",
        "unsupported": "This server lacks what is needed; docs/vault.md lists it.",
        "parameter": "This is a bug in Patchline; please report it.",
        "unexpected": _SERVER_LOG,
        "answer": "Check that the address is Vault's; something else answers there.",
        "too-large": "Keep it below the limit; Vault is for secrets, not for files.",
        "path": "Names in Vault have lower-case letters, digits and dashes, at most 63, such as release or approver-ada.",
        "key-missing": "Make it: patchline vault prepare; for a person: --approver PERSON.",
        "key-kind": "Make a key of type ecdsa-p256 or ed25519.",
        "key-unfit": "Make a new key under another name; these marks cannot be taken back from a key.",
        "key-version": "Name a version that Vault has and may sign with, as transit:MOUNT/KEY@VERSION, or none for the newest.",
        "signature": "Do not use it, and find out who changed Vault: it signed something else or with another key.",
        "maker": "Its owner puts username, password and group of an account for lending there: docs/vault.md, Lending.",
        "loan-opened": "If you did not open it, somebody else did: tell the lender at once, who ends the loan: "
        "patchline loan return ID.",
        "loan-other": "Do not use it; it is no hand-over of this loan. Find out who exchanged it.",
        "prepare": _ADMINISTRATOR,
    }
