"""`patchline init`: make the home of a vendor's register."""

from pathlib import Path
from typing import Any

import click

from patchline.patches.keys import PublicKey
from patchline.patches.passphrases import passphrase_for, passphrase_option
from patchline.patches.terminal import example, json_option, report
from patchline.releaser import founding, offline_ceremony, server_keys
from patchline.releaser.commands.options import clock, register_options, the_home, the_person


@click.command(epilog=example("patchline init --name 'Example Ltd' --person ada"))
@register_options
@click.option("--name", metavar="VENDOR", help="Your name, as customers read it.")
@click.option("--database", metavar="URL", help="PostgreSQL's URL; default: SQLite in the home.")
@click.option("--person", metavar="ID", help="The first person, who gets every role; default: who acts.")
@passphrase_option
@json_option
def init(name: str | None, database: str | None, person: str | None) -> None:
    """Make a home: database, online keys, first person; print the ceremony for the offline keys."""
    home = the_home()
    wanted = founding.Founding(person or the_person(), name, database)
    founding.check_new(home)
    passphrases = {key: passphrase_for(key, new=True) for key in server_keys.NAMES}
    keys = founding.found(home, wanted, passphrases, clock())
    founding.finish(home)
    document: dict[str, Any] = {
        "home": str(home),
        "person": wanted.person,
        "keys": {key: {"keyid": public.keyid, "fingerprint": public.fingerprint} for key, public in keys.items()},
        "ceremony": [{"who": step.who, "commands": list(step.commands)} for step in offline_ceremony.steps()],
    }
    lines = [f"{home} is the home of the register; {wanted.person} is its first person"]
    lines += [_key_words(home, key, public) for key, public in keys.items()]
    report(document, "\n".join([*lines, "", *offline_ceremony.words()]))


def _key_words(home: Path, name: str, public: PublicKey) -> str:
    return f"  {name:6}  {public.fingerprint}  {server_keys.public_path(home, name)}"
