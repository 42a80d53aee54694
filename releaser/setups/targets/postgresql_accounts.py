"""Accounts in PostgreSQL, made and removed by an account that may (CREATEROLE)."""

from datetime import datetime

import psycopg
from psycopg import sql

from patchline.releaser.setups.targets.postgresql import connected
from patchline.vault.setups import Login


def create(address: str, maker: Login, login: Login, group: str, until: datetime) -> bool:
    """Make an account that may what a group may, and that the database itself lets nobody into after a moment."""
    statement = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} VALID UNTIL {} IN ROLE {}")
    try:
        with connected(address, maker) as connection:
            # Its verifier, so that the password itself is in no log of the database.
            verifier = connection.pgconn.encrypt_password(login.password.encode(), login.username.encode())
            parts = (sql.Literal(verifier.decode()), sql.Literal(until.isoformat()), sql.Identifier(group))
            connection.execute(statement.format(sql.Identifier(login.username), *parts))
    except psycopg.Error:
        return False
    return True


def extend(address: str, maker: Login, username: str, until: datetime) -> bool:
    """Let an account live until another moment."""
    statement = sql.SQL("ALTER ROLE {} VALID UNTIL {}")
    try:
        with connected(address, maker) as connection:
            connection.execute(statement.format(sql.Identifier(username), sql.Literal(until.isoformat())))
    except psycopg.Error:
        return False
    return True


def delete(address: str, maker: Login, username: str) -> bool:
    """Remove an account with its sessions and what it made; one that is not there is fine."""
    name = sql.Identifier(username)
    try:
        with connected(address, maker) as connection:
            there = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [username]).fetchone()
            if there is None:
                return True
            # Nobody new comes in first; then who is in is sent away.
            connection.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(name))
            connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(name))
            sent_away = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s"
            connection.execute(sent_away, [username])
            connection.execute(sql.SQL("DROP OWNED BY {}").format(name))
            connection.execute(sql.SQL("DROP ROLE {}").format(name))
    except psycopg.Error:
        return False
    return True
