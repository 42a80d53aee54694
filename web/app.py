"""The application: pages and API over one register. Rules stand in `releaser`; here requests become calls of them."""

from pathlib import Path

from flask import Flask
from flask_openapi3.openapi import OpenAPI
from flask_wtf.csrf import CSRFProtect  # type: ignore[import-untyped]
from werkzeug.middleware.proxy_fix import ProxyFix

from patchline.releaser.access.web_key import web_key
from patchline.web import access, asking, failures, headers, lists, logs, metrics, navigation, outside, words
from patchline.web.administration import pages as administration
from patchline.web.api import bearer, document
from patchline.web.api.opening import not_as_written, open_api
from patchline.web.approvals import pages as approvals
from patchline.web.asking import Office
from patchline.web.audit import pages as audit
from patchline.web.baselines import pages as baselines
from patchline.web.channel_files import pages as channel_files
from patchline.web.delivery import BY_TOKEN, check_token
from patchline.web.delivery import pages as delivery
from patchline.web.hotfixes import pages as hotfixes
from patchline.web.lending.compatibility import pages as compatibility
from patchline.web.lending.loans import pages as loans
from patchline.web.lending.setups import pages as setups
from patchline.web.me import pages as me
from patchline.web.portal import access as portal_access
from patchline.web.portal import frame
from patchline.web.portal.pages import PAGES as portal
from patchline.web.rollouts.freezes import pages as freezes
from patchline.web.rollouts.notices import pages as notices
from patchline.web.rollouts.recalls import pages as recalls
from patchline.web.rollouts.rollouts import pages as rollouts
from patchline.web.sessions import Cookies
from patchline.web.sign_in import pages as sign_in
from patchline.web.start import pages as start
from patchline.web.support.customers import pages as customers
from patchline.web.support.exposure import pages as exposure
from patchline.web.support.fleet import pages as fleet
from patchline.web.support.reports import pages as reports
from patchline.web.support.search import pages as support
from patchline.web.support.sites import pages as sites

_ROLLOUTS = (rollouts, freezes, recalls, notices)
_SUPPORT = (support, customers, sites, exposure, fleet, reports)
_LENDING = (setups, loans, compatibility)
_REGISTER = (administration, audit, outside.pages)
_ENGINEERS = (approvals, baselines, hotfixes)
BLUEPRINTS = (
    channel_files,
    delivery,
    me,
    sign_in,
    start,
    metrics.pages,
    *_ENGINEERS,
    *_ROLLOUTS,
    *_SUPPORT,
    *_LENDING,
    *_REGISTER,
)
_LARGEST_FORM = 1 << 20
"""Bytes of a request; pages that take files say so themselves."""


def create_app(office: Office) -> Flask:
    """Return the application for an open register.

    Raises:
        RefusedError: the key of the pages lies open.
        LookupError: a page does not say who may see it.
    """
    settings = office.register.settings
    home = office.register.home
    # Flask looks for folders of its own accord, and does not find those of a namespace package.
    app = OpenAPI(
        "patchline.web",
        root_path=str(Path(__file__).parent),
        instance_path=str(home.absolute()),
        info=document.INFO,
        security_schemes=document.SECURITY_SCHEMES,
        validation_error_callback=not_as_written,
        doc_ui=False,
    )
    app.session_interface = Cookies()
    app.config.update(
        SECRET_KEY=web_key(home),
        MAX_CONTENT_LENGTH=_LARGEST_FORM,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.web_secure,
        TRUSTED_HOSTS=settings.web_hosts,
        WTF_CSRF_TIME_LIMIT=None,
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]  # of the default provider
    app.jinja_env.globals.update(here=lists.here, vendor=settings.name or "Patchline")
    if settings.web_proxies:
        hops = settings.web_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    logs.watch(app)
    asking.furnish(app, office)
    outside.furnish(app)
    metrics.watch(app)
    csrf = CSRFProtect(app)
    for blueprint in (*BLUEPRINTS, *portal):
        app.register_blueprint(blueprint)
    open_api(app, csrf)
    for part in (words, navigation, frame):
        part.teach(app)
    failures.show(app)
    headers.guard(app)
    kinds = {BY_TOKEN: check_token, metrics.MACHINES: metrics.check, bearer.KIND: bearer.check}
    kinds[portal_access.KIND] = portal_access.check
    access.guard(app, kinds)
    return app
