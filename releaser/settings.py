"""Settings of a vendor's home: `settings.toml` in it, overruled by `PATCHLINE_<NAME>` in the environment."""

import tomllib
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from patchline.patches.errors import SettingsError
from patchline.patches.files import os_failure

FILE = "settings.toml"


class Settings(BaseSettings):
    """What a home is set to; everything has a default that works on one machine.

    Attributes:
        database: URL of the register's database; None for SQLite in the home.
        channel: where the channel is published, a folder or an object store's URL; None for `channel` in the home.
        channel_url: where sites find it; goes into trust files.
        bundles: where release sets are kept, a folder or an object store's URL; None for `bundles` in the home.
        trial: made by `init --trial`: every key lies here, and every trust file says so.
    """

    model_config = SettingsConfigDict(env_prefix="PATCHLINE_", extra="forbid", frozen=True)

    database: SecretStr | None = None
    channel: str | None = None
    channel_url: str | None = None
    bundles: str | None = None
    trial: bool = False

    @classmethod
    def settings_customise_sources(  # type: ignore[override]  # fewer sources than pydantic has
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        **_: Any,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file."""
        return env_settings, init_settings


def read_settings(home: Path) -> Settings:
    """Read the settings of a home.

    Raises:
        SettingsError: there are none, or one is wrong. Values are never shown, since they may hold passwords.
    """
    path = home / FILE
    try:
        given = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise SettingsError("no-home", f"{home} is no home of a register: it has no {FILE}") from None
    except OSError as error:
        raise os_failure(error) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError("settings", f"{path} is not TOML: {error}") from None
    try:
        return Settings(**given)
    except ValidationError as error:
        told = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise SettingsError("settings", f"{path}: {told}") from None
