"""`patchline level`: at which level a customer's sites are, how we know it, and since when."""

import click

from patchline.patches.statements import time_text
from patchline.patches.terminal import example, json_option, report
from patchline.releaser.commands.options import clock, home_option, the_register
from patchline.releaser.fleet.accounts import accounts
from patchline.releaser.fleet.level_words import account_document, customer_text, site_text
from patchline.releaser.fleet.levels import When, levels, named_sites
from patchline.releaser.moments import optional_moment


@click.command(
    epilog=example(
        "patchline level acme",
        "patchline level acme-main --at 2026-03-05",
        "patchline level acme-main --at 2026-03-05 --known-at 2026-03-08",
    )
)
@click.argument("name", metavar="CUSTOMER|SITE")
@click.option("--at", metavar="DATE", help="What was true on that day, by the site's own time.")
@click.option("--known-at", metavar="DATE", help="What we knew on that day.")
@home_option
@json_option
def level(name: str, at: str | None, known_at: str | None) -> None:
    """Show the patch level of a site, or of all sites of a customer, with evidence and age."""
    now = clock()
    when = When(now, optional_moment(at, now), optional_moment(known_at, now))
    with the_register() as register, register.read() as session:
        customer, sites, is_site = named_sites(session, name)
        found = accounts(session, levels(session, sites, when), when, closely=is_site)
        text = site_text(customer, found[0], when) if is_site else customer_text(customer, found, when)
        document = {
            "customer": customer.id,
            "title": customer.title,
            "tier": customer.tier,
            "at": time_text(when.at) if when.at else None,
            "known_at": time_text(when.known_at) if when.known_at else None,
            "sites": [account_document(one, when) for one in found],
        }
    report(document, text)
