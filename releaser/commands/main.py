"""The program `patchline`: what the vendor's people do with hotfixes."""

import click

from patchline.patches.terminal import Lazy, LazyGroup, example, run

_EXTRA = ("alembic", "flask", "git", "hvac", "obstore", "psycopg", "pydantic_settings", "sqlalchemy")

_SECTIONS = {
    "Try it, run it": "try",
    "Keys, trust and bundles": "key",
    "Hotfixes and their way out": "product",
    "Who has what": "customer",
    "Vault": "vault",
}
_COMMANDS = {
    "try": Lazy("patchline.releaser.commands.try_", "try_", "Take a repository of yours through everything, once."),
    "init": Lazy("patchline.releaser.commands.init", "init", "Make the home of a vendor's register."),
    "doctor": Lazy(
        "patchline.releaser.commands.doctor", "doctor", "Look for what is missing, unsafe or about to expire."
    ),
    "serve": Lazy("patchline.web.serving.command", "serve", "Serve the pages and the API."),
    "person": Lazy("patchline.releaser.commands.person", "person", "Say who acts in the register, and as what."),
    "webhook": Lazy(
        "patchline.releaser.commands.webhook", "webhook", "Tell other programs what happens, by signed messages."
    ),
    "token": Lazy(
        "patchline.releaser.commands.token", "token", "Make and revoke tokens for programs that ask the API."
    ),
    "backup": Lazy("patchline.releaser.commands.backup", "backup", "Save everything as it is, while it runs."),
    "restore": Lazy("patchline.releaser.commands.backup", "restore", "Make a home again from a backup."),
    "worker": Lazy("patchline.releaser.commands.worker", "worker", "Do the jobs that wait."),
    "audit": Lazy("patchline.releaser.commands.audit", "audit", "Check and write out what happened."),
    "database": Lazy("patchline.releaser.commands.database", "database", "Look after the register's database."),
    "key": Lazy("patchline.releaser.commands.key", "key", "Make and show signing keys."),
    "trust": Lazy("patchline.releaser.commands.trust", "trust", "Make root, policy and trust file."),
    "bundle": Lazy("patchline.releaser.commands.bundle", "bundle", "Build, sign, approve and compare bundles."),
    "product": Lazy("patchline.releaser.commands.product", "product", "Add and list products."),
    "baseline": Lazy("patchline.releaser.commands.baseline", "baseline", "Add, list and show released baselines."),
    "issue": Lazy(
        "patchline.releaser.commands.issue", "issue", "Say which baselines are affected, and see what is fixed."
    ),
    "compatibility": Lazy(
        "patchline.releaser.commands.compatibility", "compatibility_command", "See on what a hotfix was tested."
    ),
    "hotfix": Lazy("patchline.releaser.commands.hotfix", "hotfix", "Make, review, publish and recall hotfixes."),
    "campaign": Lazy("patchline.releaser.commands.campaign", "campaign", "See and submit one fix for many baselines."),
    "contains": Lazy("patchline.releaser.commands.contains", "contains", "Find a file or component in all baselines."),
    "approvals": Lazy("patchline.releaser.commands.approvals", "approvals", "See what was signed in your name."),
    "channel": Lazy(
        "patchline.releaser.commands.channel", "channel", "Keep the channel alive and look at it from outside."
    ),
    "kit": Lazy("patchline.releaser.commands.kit", "kit", "Make kits for sites without a network."),
    "recall": Lazy("patchline.releaser.commands.recall", "recall", "Recall a hotfix, or take its recall back."),
    "customer": Lazy(
        "patchline.releaser.commands.customer", "customer", "Add, import, list and show customers and their contacts."
    ),
    "site": Lazy("patchline.releaser.commands.site", "site", "Add, enrol, list and show sites of customers."),
    "entitlement": Lazy(
        "patchline.releaser.commands.entitlement", "entitlement", "Say which hotfixes a customer may have."
    ),
    "event": Lazy("patchline.releaser.commands.event", "event", "Tell what happened at a site beside hotfixes."),
    "report": Lazy("patchline.releaser.commands.report", "report_group", "Take in what sites say of themselves."),
    "level": Lazy(
        "patchline.releaser.commands.level", "level", "Show patch levels, with evidence and age, now or then."
    ),
    "history": Lazy("patchline.releaser.commands.history", "history_command", "Show what happened at a site, to send."),
    "loses": Lazy("patchline.releaser.commands.loses", "loses", "Say which fixes a site would lose, and how we know."),
    "who": Lazy(
        "patchline.releaser.commands.who", "who", "Ask which sites have, lack or fetched a fix, or are exposed."
    ),
    "ring": Lazy("patchline.releaser.commands.ring", "ring", "Say in which order sites get hotfixes."),
    "freeze": Lazy("patchline.releaser.commands.freeze", "freeze", "Say when nothing is to be applied, and where."),
    "notify": Lazy("patchline.releaser.commands.notify", "notify", "Tell customers what they need or must undo."),
    "rollout": Lazy("patchline.releaser.commands.rollout", "rollout", "Let hotfixes go out in stages."),
    "vault": Lazy("patchline.releaser.commands.vault", "vault", "Make Vault ready, and look how it stands."),
    "setup": Lazy("patchline.releaser.commands.setup", "setup", "Keep test setups, and their credentials in Vault."),
    "loan": Lazy("patchline.releaser.commands.loan", "loan", "Borrow and lend test setups, with other credentials."),
}


@click.group(
    "patchline",
    cls=LazyGroup,
    table=_COMMANDS,
    sections=_SECTIONS,
    needs=_EXTRA,
    epilog=example("patchline try --repo . --base v1.0.0 --head v1.0.1"),
)
@click.version_option(package_name="patchline", prog_name="patchline")
def patchline() -> None:
    """Build signed hotfix bundles from git baselines, approve them, and know who has them."""


def main() -> int:
    """Run the program on this process's command line."""
    return run(patchline)
