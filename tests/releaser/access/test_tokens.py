import re
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from patchline.patches.errors import NotFoundError, PatchlineError, RefusedError, ScopeError, TokenError, UsageError
from patchline.releaser import persons
from patchline.releaser.access import tokens
from patchline.releaser.access.tokens import NewToken, Scope
from patchline.releaser.tables.audit import AuditEvent
from patchline.releaser.tables.tokens import PERSON, SITE_DOWNLOAD, SITE_REPORT, Token
from tests.fleets import Fleet
from tests.programs import run
from tests.registers import NOW

LATER = NOW + timedelta(hours=2)
MINE = NewToken(PERSON, "nightly", (Scope.READ,), person="ada")


def make(register, new=MINE, by="ada"):
    with register.change(by, NOW) as change:
        return tokens.make(change, new)


def check(register, secret, now=LATER):
    with register.read() as session:
        return tokens.check(session, secret, now)


def refused(register, secret, now=LATER):
    with pytest.raises(TokenError) as error:
        check(register, secret, now)
    return error.value.code


def acme(register):
    fleet = Fleet(register).product()
    fleet.customer("acme")
    fleet.site("acme-main")


def test_token_lets_its_person_in_for_what_it_is_good_for(register):
    made = make(register)
    bearer = check(register, made.secret)
    assert (bearer.person, bearer.site, bearer.actor) == ("ada", None, "ada")
    bearer.require(Scope.READ)
    with pytest.raises(ScopeError, match="not good for write"):
        bearer.require(Scope.WRITE)


def test_nothing_that_is_kept_told_or_shown_holds_the_secret(register):
    made = make(register)
    secret = made.secret.rpartition("_")[2]
    assert re.fullmatch(r"plt_[a-z2-7]{8}", made.listed.prefix) and made.secret.startswith(made.listed.prefix)
    assert secret not in repr(made) and secret not in tokens.words(made.listed, NOW)
    assert secret not in str(made.listed.as_document(NOW))
    with register.read() as session:
        row = session.execute(select(Token)).scalar_one()
        assert secret not in str(vars(row))
        assert all(secret.encode() not in event for event in session.scalars(select(AuditEvent.body)))


def test_whatever_is_no_good_token_is_told_nothing_of_how_near_it_came(register):
    made = make(register)
    other = make(register)
    swapped = made.listed.prefix + other.secret[len(made.listed.prefix) :]
    for wrong in ("", "x", made.secret[:-1], made.secret[:-1] + "!", swapped, made.secret + "A", "plt_" + "a" * 52):
        assert refused(register, wrong) == "token.unknown"


def test_token_ends_by_time_by_people_and_with_its_person(register):
    made = make(register, NewToken(PERSON, "short", (Scope.READ,), person="ada", life=timedelta(days=1)))
    assert refused(register, made.secret, NOW + timedelta(days=1)) == "token.expired"
    with register.change("ada", LATER) as change:
        assert tokens.revoke(change, made.listed.prefix).stands(LATER) == "revoked"
    assert refused(register, made.secret) == "token.revoked"
    other = make(register)
    with register.change("rita", LATER) as change:
        persons.disable(change, "ada")
    assert refused(register, other.secret) == "token.owner-gone"


def test_only_a_release_manager_makes_or_ends_the_tokens_of_others(register):
    made = make(register)
    for attempt in (lambda change: tokens.make(change, MINE), lambda change: tokens.revoke(change, made.listed.prefix)):
        with pytest.raises(RefusedError), register.change("bob", NOW) as change:
            attempt(change)
    make(register, by="rita")
    with register.change("rita", NOW) as change:
        assert tokens.revoke(change, made.listed.prefix).revoked == NOW


def test_token_of_a_site_is_good_for_that_site_alone(register):
    acme(register)
    for kind, scope in ((SITE_DOWNLOAD, Scope.DOWNLOAD), (SITE_REPORT, Scope.REPORT)):
        bearer = check(register, make(register, NewToken(kind, "curl", site="acme-main"), by="rita").secret)
        assert (bearer.site, bearer.customer, bearer.person, bearer.scopes) == ("acme-main", "acme", None, {scope})
        bearer.require(scope, "acme-main")
        with pytest.raises(ScopeError, match="another site"):
            bearer.require(scope, "acme-other")
    with pytest.raises(RefusedError):
        make(register, NewToken(SITE_DOWNLOAD, "curl", site="acme-main"), by="ada")


@pytest.mark.parametrize(
    ("new", "message"),
    [
        (NewToken(PERSON, " ", (Scope.READ,), person="ada"), "name"),
        (NewToken(PERSON, "a\nb", (Scope.READ,), person="ada"), "name"),
        (NewToken(PERSON, "x", (), person="ada"), "good for"),
        (NewToken(PERSON, "x", (Scope.DOWNLOAD,), person="ada"), "cannot have"),
        (NewToken(PERSON, "x", (Scope.READ,), person="ada", life=timedelta(days=400)), "at most"),
        (NewToken(PERSON, "x", (Scope.READ,), person="ada", life=timedelta(0)), "at most"),
        (NewToken(PERSON, "x", (Scope.READ,), site="acme-main"), "for a person"),
        (NewToken(SITE_DOWNLOAD, "x", (Scope.WRITE,), site="acme-main"), "cannot have"),
        (NewToken(SITE_DOWNLOAD, "x", site="acme-main", life=timedelta(days=31)), "at most"),
        (NewToken(SITE_REPORT, "x", person="ada"), "for a site"),
    ],
)
def test_what_no_token_can_be_is_refused(new, message, register):
    with pytest.raises(UsageError, match=message):
        make(register, new, by="rita")


def test_token_for_nobody_is_not_made(register):
    for new in (NewToken(PERSON, "x", (Scope.READ,), person="eve"), NewToken(SITE_REPORT, "x", site="nowhere")):
        with pytest.raises(NotFoundError):
            make(register, new, by="rita")


def test_use_is_written_down_once_an_hour(register):
    made = make(register)
    bearer = check(register, made.secret)
    for minutes in (0, 30, 61):
        tokens.note_use(register, bearer, NOW + timedelta(minutes=minutes))
        with register.read() as session:
            used = tokens.listed(session, person="ada")[0].used
        assert used == NOW + timedelta(minutes=61 if minutes == 61 else 0)


def test_database_keeps_what_a_token_is(register):
    made = make(register)
    with register.change("ada", NOW) as change:
        tokens.revoke(change, made.listed.prefix)
    for statement in (
        "UPDATE token SET revoked = NULL",
        "UPDATE token SET digest = 'x'",
        "UPDATE token SET person = 'bob'",
        "DELETE FROM token",
    ):
        with pytest.raises(PatchlineError, match="the database refuses it"), register.database.write() as session:
            session.execute(text(statement))


def test_commands_make_list_and_revoke(register):
    def token(*line, by="ada", expect=0):
        where = ("--home", register.home, "--as", by)
        return run("patchline", "token", *line, *where, "--json", expect=expect).document

    made = token("new", "nightly export", "--scope", "read", "--scope", "write", "--days", "3")
    assert made["secret"].startswith(made["token"]) and made["scopes"] == ["read", "write"]
    listed = token("list", "--for", "ada")["tokens"]
    assert [one["token"] for one in listed] == [made["token"]] and "secret" not in listed[0]
    assert token("revoke", made["token"], by="bob", expect=12)["error"] == "refused.role"
    assert token("revoke", made["token"])["stands"] == "revoked"
    assert token("revoke", "plt_nothing", expect=11)["error"] == "not-found.token"
    assert token("new", "nightly", expect=2)["error"] == "usage.token"
    acme(register)
    assert token("new", "curl", "--site", "acme-main", by="rita")["scopes"] == ["download"]
    text = run("patchline", "token", "list", "--home", register.home).out
    assert "site acme-main" in text and "revoked" in text
