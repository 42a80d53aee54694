"""`patchline approvals notify`: tell approvers what waits for them."""

import click

from patchline.patches.errors import StateError, UsageError
from patchline.patches.terminal import confirm, example, json_option, note, report, yes_option
from patchline.patches.wording import counted
from patchline.releaser.commands.notify import pending_text, results_text
from patchline.releaser.commands.options import clock, register_options, the_person, the_register
from patchline.releaser.documents.rollouts import pending_document, results_document
from patchline.releaser.policies import newest_root
from patchline.releaser.rollouts import notices, waiting
from patchline.releaser.rollouts.mail import REFUSED


@click.command(epilog=example("patchline approvals notify --send --yes"))
@click.option("--send", "by_mail", is_flag=True, help="Send by the mail server of the settings; else only show.")
@click.option("--dry-run", is_flag=True, help="Only show what would be told.")
@yes_option
@register_options
@json_option
def notify(by_mail: bool, dry_run: bool) -> None:
    """Tell approvers what waits for them: each thing once a day. Addresses: `patchline person mail`."""
    now = clock()
    with the_register() as register:
        root = newest_root(register)
        with register.read() as session:
            found = notices.pending(session, waiting.drafts(session, root, now))
        chosen = notices.to_tell(found, again=False)
        results = []
        if by_mail and not dry_run and chosen:
            note("\n".join(pending_text(chosen)))
            if not confirm(f"Send {counted(len(chosen), 'message')}?"):
                raise UsageError("declined", "nobody was told")
            results = notices.send(register, chosen, the_person(), now)
    document = {"messages": pending_document(found), "results": results_document(results)}
    told = f"{counted(len(chosen), 'message')} to send, {len(found) - len(chosen)} told today"
    report(document, results_text(results) or "\n".join([*pending_text(chosen), told]))
    if any(one.outcome == REFUSED for one in results):
        raise click.exceptions.Exit(StateError.exit_code)
