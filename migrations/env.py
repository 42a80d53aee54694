"""What Alembic runs: the migrations, on the connection and in the transaction that it is given."""

from alembic import context

from patchline.releaser.tables.base import Base

_connection = context.config.attributes["connection"]
context.configure(connection=_connection, target_metadata=Base.metadata, transactional_ddl=True)
context.run_migrations()
