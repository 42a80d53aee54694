"""`patchline init`: make the home of a vendor's register."""

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from patchline.patches.keys import PublicKey
from patchline.patches.passphrases import passphrase_for, passphrase_option
from patchline.patches.terminal import example, json_option, report
from patchline.releaser import founding, offline_ceremony, server_keys, trial_home
from patchline.releaser.access import accounts
from patchline.releaser.commands.options import clock, register_options, the_home, the_person
from patchline.releaser.register import opened
from patchline.releaser.trial_home import Papers


@click.command(epilog=example("patchline init --name 'Example Ltd' --person ada"))
@register_options
@click.option("--name", metavar="VENDOR", help="Your name, as customers read it.")
@click.option("--database", metavar="URL", help="PostgreSQL's URL; default: SQLite in the home.")
@click.option("--person", metavar="ID", help="The first person, who gets every role; default: who acts.")
@click.option("--trial", is_flag=True, help="Make all keys, a product and its channel here, for trying out only.")
@click.option("--product", default="demo", show_default=True, help="The product of a trial.")
@passphrase_option
@json_option
def init(name: str | None, database: str | None, person: str | None, trial: bool, product: str) -> None:
    """Make a home: database, online keys, first person; print the first link and the ceremony for the offline keys."""
    home, now = the_home(), clock()
    wanted = founding.Founding(person or the_person(), name, database, trial)
    founding.check_new(home)
    passphrases = _passphrases(trial)
    keys = founding.found(home, wanted, passphrases, now)
    papers = _furnish(home, product, passphrases, wanted.person, now) if trial else None
    link = _first_link(home, wanted.person, now)
    founding.finish(home)
    document: dict[str, Any] = {
        "home": str(home),
        "person": wanted.person,
        "trial": trial,
        "link": link,
        "keys": {key: {"keyid": public.keyid, "fingerprint": public.fingerprint} for key, public in keys.items()},
    }
    lines = [f"{home} is the home of the register; {wanted.person} is its first person"]
    lines += [_key_words(home, key, public) for key, public in keys.items()]
    lines += [
        "",
        f"{wanted.person} signs in to the pages once they are served, within a day and once, by:",
        f"  {link}",
    ]
    if papers is not None:
        report(
            {**document, "papers": str(papers.folder), "trust": str(papers.trust)}, "\n".join([*lines, *_trial(papers)])
        )
        return
    steps = [{"who": step.who, "commands": list(step.commands)} for step in offline_ceremony.steps()]
    report({**document, "ceremony": steps}, "\n".join([*lines, "", *offline_ceremony.words()]))


def _passphrases(trial: bool) -> dict[str, bytes]:
    """Return the passphrases of the server's keys; a trial has one for all its keys."""
    if trial:
        return dict.fromkeys(server_keys.NAMES, passphrase_for(trial_home.FOLDER, new=True))
    return {key: passphrase_for(key, new=True) for key in server_keys.NAMES}


def _furnish(home: Path, product: str, passphrases: dict[str, bytes], by: str, now: datetime) -> Papers:
    with opened(home) as register:
        return trial_home.furnish(register, product, passphrases[server_keys.ONLINE], by, now)


def _first_link(home: Path, person: str, now: datetime) -> str:
    with opened(home) as register, register.change(person, now) as change:
        return accounts.offer_link(change, person).address(register.settings.web_address)


def _key_words(home: Path, name: str, public: PublicKey) -> str:
    return f"  {name:6}  {public.fingerprint}  {server_keys.public_path(home, name)}"


def _trial(papers: Papers) -> list[str]:
    return [
        "",
        trial_home.WARNING,
        f"Product {papers.product}, its policy and its channel are ready; everybody's keys lie in {papers.folder}:",
        f"  PATCHLINE_KEYS={papers.folder} patchline key list",
        f"The trust file of a site: {papers.trust}",
    ]
