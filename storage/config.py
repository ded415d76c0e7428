"""Configuration: one frozen, typed object with sections.

Read once, at the start, from a TOML file and then from `DAVSERVER_SECTION__KEY` in the
environment, which wins. A secret `x` may also come from the file named by `x_file`. Every part is
handed its own section, never the whole. `config.example.toml` shows all settings; a test compares
it with this module.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote_plus

from pydantic import ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from sqlalchemy import URL, make_url

from storage.config_sentences import ENV_PREFIX, sentences_for, strange_sections, strange_variables
from storage.errors import Misconfigured
from storage.sections import (
    BlobsConfig,
    DatabaseConfig,
    DavConfig,
    LogConfig,
    SecretsConfig,
    Section,
    ServerConfig,
)

_STARS = "***"
_PLAIN_URL_WORDS = frozenset({
    "application_name", "channel_binding", "connect_timeout", "host", "port", "sslmode",
    "sslrootcert", "target_session_attrs",
})  # fmt: skip


class Config(BaseSettings):
    """The whole set-up. Made by `load_config`."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
        hide_input_in_errors=True,
    )

    server: ServerConfig = ServerConfig()
    database: DatabaseConfig = DatabaseConfig()
    blobs: BlobsConfig = BlobsConfig()
    dav: DavConfig = DavConfig()
    secrets: SecretsConfig = SecretsConfig()
    log: LogConfig = LogConfig()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 (handed in by name)
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (handed in by name)
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (handed in by name)
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file, and read nothing else."""
        return env_settings, init_settings

    @model_validator(mode="after")
    def _check(self) -> Self:
        database = self.database.sqlite_path
        is_among_blobs = (
            database is not None
            and self.blobs.kind == "disk"
            and database.resolve().is_relative_to(self.blobs.path.resolve())
        )
        if is_among_blobs:
            raise ValueError(
                "[database] url names a file in the folder of the blobs; "
                "give it a folder of its own"
            )
        if self.is_embedded:
            return self
        if self.secrets.key_file is None and self.secrets.keys is None:
            raise ValueError(
                "[secrets] key_file (or keys) must be set with PostgreSQL or S3; make one with: "
                "davserver keys new FILE"
            )
        key_file = self.secrets.key_file
        if key_file is None:
            return self
        for what, folder in self._data_folders():
            if key_file.resolve().is_relative_to(folder.resolve()):
                raise ValueError(
                    f"[secrets] key_file lies in the folder of {what}, so that one copy of that "
                    "folder would hold the ciphertext and its key; move the key file elsewhere"
                )
        return self

    @property
    def is_embedded(self) -> bool:
        """Whether all is on this machine's disk, as after the first `make run`."""
        return self.database.is_sqlite and self.blobs.kind != "s3"

    @property
    def secrets_in_use(self) -> SecretsConfig:
        """The secrets with the embedded default filled in: a key file beside the database."""
        path = self.database.sqlite_path
        if path is None or self.secrets.key_file is not None or self.secrets.keys is not None:
            return self.secrets
        return self.secrets.model_copy(update={"key_file": path.parent / "davserver.keys"})

    def _data_folders(self) -> list[tuple[str, Path]]:
        folders = []
        if self.database.sqlite_path is not None:
            folders.append(("the database", self.database.sqlite_path.parent))
        if self.blobs.kind == "disk":
            folders.append(("the blobs", self.blobs.path))
        return folders


def load_config(path: Path | None = None) -> Config:
    """Read the configuration from `path`, if there is one, and from the environment.

    Raises Misconfigured with one sentence for each thing that is wrong.
    """
    values = _read_toml(path) if path is not None else {}
    # Looked at before pydantic-settings, which takes names such as `_env_file` as meant for itself.
    if strange := strange_sections(values, _sections()) + strange_variables(_sections()):
        raise Misconfigured("\n".join(strange))
    try:
        return Config(**values)
    except ValidationError as error:
        raise Misconfigured("\n".join(sentences_for(error, _sections()))) from None


def masked(config: Config) -> dict[str, dict[str, object]]:
    """Return all settings as plain values, with every secret replaced by stars."""
    shown: dict[str, dict[str, object]] = {}
    for name, section in config:
        shown[name] = section.model_dump(mode="json")
        for key in section.secret_names():
            shown[name][key] = None if getattr(section, key) is None else _STARS
    # A database's address is worth seeing; only the passwords in it are secret.
    shown["database"]["url"] = _mask_url(make_url(config.database.url.get_secret_value()))
    return shown


def _mask_url(url: URL) -> str:
    # In the query, only words that are known to hold no secret are shown.
    query = {key: value if key in _PLAIN_URL_WORDS else _STARS for key, value in url.query.items()}
    hidden = url.set(query=query).render_as_string(hide_password=True)
    return hidden.replace(quote_plus(_STARS), _STARS)


def _sections() -> dict[str, type[Section]]:
    return {name: type(field.default) for name, field in Config.model_fields.items()}


def _read_toml(path: Path) -> dict[str, Any]:  # Any: whatever the file holds; checked next
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Misconfigured(
            f"There is no configuration file {path}. Copy config.example.toml there, "
            "or leave --config out to use the embedded default."
        ) from None
    except OSError as error:
        reason = error.strerror or "it failed"
        raise Misconfigured(f"The configuration file {path} can't be read: {reason}.") from None
    except UnicodeDecodeError:
        raise Misconfigured(f"The configuration file {path} is not UTF-8 text.") from None
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"The configuration file {path} is not TOML: {error}.") from None
