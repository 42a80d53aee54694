"""Settings of a vendor's home: `settings.toml` in it, overruled by `PATCHLINE_<NAME>` in the environment."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from patchline.patches.errors import SettingsError
from patchline.patches.files import os_failure, write_file

FILE = "settings.toml"
WEB_DEFAULT = "http://localhost:8080"
"""Where the pages are when nobody says it: on this machine, and for it alone."""


class Settings(BaseSettings):
    """What a home is set to; everything has a default that works on one machine."""

    model_config = SettingsConfigDict(env_prefix="PATCHLINE_", extra="forbid", frozen=True)

    name: str | None = Field(None, description="The vendor's name, as customers and auditors read it.")
    database: SecretStr | None = Field(
        None, description="URL of the register's database, `postgresql://USER@HOST/NAME`. Default: SQLite in the home."
    )
    channel: str | None = Field(
        None, description="Where the channel is published, a folder or `s3://…`. Default: `channel` in the home."
    )
    channel_url: str | None = Field(None, description="Where sites find the channel; goes into trust files.")
    bundles: str | None = Field(
        None, description="Where bundles are kept, a folder or `s3://…`. Default: `bundles` in the home."
    )
    vault_address: str | None = Field(None, description="Address of OpenBao or HashiCorp Vault, `https://HOST:PORT`.")
    vault_namespace: str | None = Field(None, description="The namespace in Vault, if it has any.")
    vault_role_id: str | None = Field(
        None, description="Role id of this machine's AppRole login. Its secret id never stands in a file of settings."
    )
    vault_ca: Path | None = Field(
        None, description="File of Vault's certificate authority, PEM. Default: the public ones."
    )
    smtp_host: str | None = Field(None, description="Mail server by which notices go out; without it none are sent.")
    smtp_port: int = Field(587, ge=1, le=65535, description="Its port.")
    smtp_starttls: bool = Field(True, description="Insist on encryption by STARTTLS, and on the server's certificate.")
    smtp_user: str | None = Field(None, description="User to sign in as at the mail server.")
    smtp_password_file: str | None = Field(
        None,
        description="File with that user's password, readable for its owner alone. Default: credential `patchline-smtp`.",
    )
    smtp_from: str | None = Field(
        None, description="Whom notices come from, such as `Shop support <support@shop.example>`."
    )
    publisher_key: str | None = Field(
        None, description="Key that signs which hotfixes the channel has, `transit:MOUNT/KEY`. Default: the home's own."
    )
    webhook_private: bool = Field(
        False, description="Let webhooks go to addresses of private networks, and by plain http."
    )
    web_url: str | None = Field(
        None, description="Where people find the pages, `https://HOST[:PORT]`. Default: this machine alone."
    )
    oidc_issuer: str | None = Field(
        None, description="Identity provider of the company (OpenID Connect), as it calls itself: `https://HOST/PATH`."
    )
    oidc_client: str | None = Field(None, description="By what the provider knows Patchline, its client id.")
    oidc_secret_file: str | None = Field(
        None,
        description="File with the client's secret, readable for its owner alone. Default: credential `patchline-oidc`.",
    )
    oidc_name: str = Field("your company", description="What people call the provider.")
    web_proxies: int = Field(0, ge=0, le=5, description="How many proxies of yours stand before the pages.")
    web_accel: str | None = Field(
        None,
        pattern=r"^(/[A-Za-z0-9._-]+)+$",
        description="Internal location of the proxy where it finds `channel/` and `bundles/`, so that it sends their "
        "files itself (`X-Accel-Redirect`). Default: the pages send them.",
    )
    web_certificate: Path | None = Field(
        None, description="File of the pages' certificate with its chain, PEM, for TLS without a proxy."
    )
    web_private_key: Path | None = Field(
        None, description="File of its private key, PEM, readable for its owner alone."
    )
    trial: bool = Field(False, description="Made by `init --trial`: every key lies here, and every trust file says so.")

    @property
    def web_secure(self) -> bool:
        """Tell whether the pages come over TLS, so that cookies go no other way."""
        return (self.web_url or "").startswith("https://")

    @property
    def web_address(self) -> str:
        """Where people find the pages."""
        return self.web_url or WEB_DEFAULT

    @property
    def web_hosts(self) -> list[str]:
        """The names under which the pages are asked for."""
        named = urlsplit(self.web_url or "").hostname
        return [*([named] if named else []), "localhost", "127.0.0.1", "[::1]"]

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
        data = path.read_bytes()
    except FileNotFoundError:
        raise SettingsError("no-home", f"{home} is no home of a register: it has no {FILE}") from None
    except OSError as error:
        raise os_failure(error) from None
    return parse_settings(data, str(path))


def parse_settings(data: bytes, name: str) -> Settings:
    """Read settings as they stand in a file of this name; the environment wins.

    Raises:
        SettingsError: one is wrong.
    """
    try:
        given = tomllib.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError("settings", f"{name} is not TOML: {error}") from None
    try:
        return Settings(**given)
    except ValidationError as error:
        told = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise SettingsError("settings", f"{name}: {told}") from None


def write_settings(home: Path, values: Mapping[str, Any], *, overwrite: bool = False) -> None:
    """Write the settings of a home; only its owner may read them, since they may hold a password."""
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in values.items() if value is not None]
    write_file(home / FILE, "".join(f"{line}\n" for line in lines).encode(), overwrite=overwrite, mode=0o600)
