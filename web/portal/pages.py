"""All pages of the portal."""

from flask import Blueprint

from patchline.web.portal.downloads import pages as downloads
from patchline.web.portal.kits import pages as kits
from patchline.web.portal.known import pages as known
from patchline.web.portal.me import pages as me
from patchline.web.portal.overview import pages as overview
from patchline.web.portal.people import pages as people
from patchline.web.portal.recalls import pages as recalls
from patchline.web.portal.reports import pages as reports
from patchline.web.portal.sign_in import pages as sign_in
from patchline.web.portal.tokens import pages as tokens

PAGES: tuple[Blueprint, ...] = (downloads, kits, known, me, overview, people, recalls, reports, sign_in, tokens)
