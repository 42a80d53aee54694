"""The end of the demo: how to open the pages over its register, signed in."""

import json
from pathlib import Path

from tests.journeys.demo_channel import MANAGER, ChannelDemo

SERVE = ".venv/bin/patchline serve --home {home}"
OPEN = """\
The pages, over what was just done. In another terminal:
  {serve}
then open, within a day, and choose a password for {who}:
  {link}
The hotfix: {hotfix}"""


def tell_pages(channel: ChannelDemo) -> None:
    """Make a link that signs the vendor's release manager in, and tell what to open."""
    made = channel.on_server("person", "link", MANAGER, "--json", lines=0)
    link: str = json.loads(made.out)["link"]
    base = link.split("/sign-in/")[0]
    home: Path = channel.home
    channel.tell(
        OPEN.format(serve=SERVE.format(home=home), who=MANAGER, link=link, hotfix=f"{base}/hotfixes/{channel.hotfix}")
    )
