"""The main job of Patchline on a real product: two consecutive releases become a signed hotfix, there and back again.

    make demo                                          Django 4.2.15 → 4.2.16, a security release: all three parts
    make demo-channel                                  the second part alone: register, channel, kit, recall
    make demo-fleet                                    the second and the third part: who has what, and how we know
    make demo-vault                                    a part of its own: keys that never leave Vault, a setup on loan
    make demo PRODUCT=requests FROM=2.32.2 TO=2.32.3   any other wheel

Everything you see is real: the wheels come from your package index, every person has a home and keys of their own, and
every command is run as it is shown. It ends by saying which page to open. Only passphrases, which people would type, come from `PATCHLINE_PASSPHRASE`.
"""

import shutil
import sys
import time
from functools import partial
from pathlib import Path

import click

from patchline.patches import identifiers
from patchline.patches.errors import UsageError
from patchline.patches.terminal import report, run
from patchline.releaser.narration import Narrator
from patchline.releaser.trial import Stage
from tests.journeys.demo_bundle import Demo, story_of
from tests.journeys.demo_channel import ChannelDemo
from tests.journeys.demo_fleet import FleetDemo
from tests.journeys.demo_pages import tell_pages
from tests.journeys.demo_vault import VaultDemo

BUILD = Path(__file__).parent.parent.parent / "build"
PARTS = ("bundle", "channel", "fleet")
VAULT = "vault"
THE_END = "Next: patchline try --repo YOURS --base REF --head REF"
WHERE_TO_LOOK = """\
  shared/    what people handed to each other: public keys, root, policy, trust file, the bundle with its signatures
  erin/      the author's repository;  bob/, ada/, ben/, offline-…/  everybody's own keys and clones
  customer/  the installation, and the site's state: ledger, journal, trust
  auditor/   the bundle opened with tar alone
  server/    the vendor's register and the channel;  online/, gapped/, plant/  three more sites of customers"""
ASK_ON = "Ask on: PATCHLINE_HOME={home} .venv/bin/patchline level acme"


@click.command("demo")
@click.argument("product")
@click.argument("base", metavar="FROM")
@click.argument("head", metavar="TO")
@click.option(
    "--part",
    type=click.Choice((*PARTS, VAULT)),
    multiple=True,
    default=PARTS,
    help="Only this part; default: all but vault; what happened before it is played too.",
)
def demo(product: str, base: str, head: str, part: tuple[str, ...]) -> None:
    """Make a signed hotfix of two consecutive releases of a product, apply it, kill it, roll it back; then publish it."""
    began = time.monotonic()
    if not identifiers.PRODUCT.fullmatch(product):
        raise UsageError("options", f"{product!r} is no name of a product", hint="Name one of your package index.")
    if base == head:
        raise UsageError("options", f"{product} {base} is one release, not two", hint="Name two: FROM=… TO=…")
    folder = BUILD / f"demo-{product.lower()}-{head}{'-vault' if VAULT in part else ''}"
    shutil.rmtree(folder, ignore_errors=True)
    narrator = Narrator(partial(report, None))
    if VAULT in part:
        VaultDemo(story_of(product, base, head), Stage(folder, narrator)).play_all()
        told = f"That was {len(narrator.steps)} commands in {time.monotonic() - began:.0f} seconds. {THE_END}"
        narrator.chapter(told)
        return
    story = Demo(story_of(product, base, head), Stage(folder, narrator))
    story.prepare()
    if "bundle" in part:
        story.play()
    if not {"channel", "fleet"}.isdisjoint(part):
        channel = ChannelDemo(story)
        channel.play()
        if "fleet" in part:
            FleetDemo(channel).play()
    narrator.chapter(f"That was {len(narrator.steps)} commands in {time.monotonic() - began:.0f} seconds. {THE_END}")
    narrator.tell(f"Everything still lies in {folder}:\n{WHERE_TO_LOOK}")
    if "fleet" in part:
        narrator.tell(ASK_ON.format(home=channel.home))
    if not {"channel", "fleet"}.isdisjoint(part):
        tell_pages(channel)


if __name__ == "__main__":
    sys.exit(run(demo))
