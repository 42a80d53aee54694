"""Logins to PostgreSQL."""

import psycopg
from psycopg import sql

from patchline.releaser.setups.targets.outcomes import SECONDS, Outcome
from patchline.vault.setups import Login

_REFUSED = "password authentication failed"


def connected(address: str, login: Login) -> "psycopg.Connection[tuple[object, ...]]":
    """Connect as somebody; the caller reads what psycopg raises."""
    return psycopg.connect(
        address, user=login.username, password=login.password, connect_timeout=SECONDS, autocommit=True
    )


def try_login(address: str, login: Login) -> Outcome:
    """Log in and out again; a database that asks for no password proves nothing."""
    try:
        with connected(address, login) as connection:
            return Outcome.WORKS if connection.pgconn.used_password else Outcome.OPEN
    except psycopg.Error as error:
        if f'role "{login.username}" does not exist' in str(error):
            return Outcome.REFUSED  # Where the server's rules ask this name for no password, it says so.
        if error.pgconn is None or not error.pgconn.used_password:
            return Outcome.UNREACHABLE
        return Outcome.REFUSED if _REFUSED in str(error) else Outcome.UNCLEAR


def change(address: str, login: Login, new: str) -> bool:
    """Change it by its verifier, so that the password itself is in no log of the database."""
    try:
        with connected(address, login) as connection:
            verifier = connection.pgconn.encrypt_password(new.encode(), login.username.encode())
            connection.execute(sql.SQL("ALTER ROLE CURRENT_USER PASSWORD {}").format(sql.Literal(verifier.decode())))
    except psycopg.Error:
        return False
    return True
