"""Configuration: one frozen, typed object with sections.

Read once, at the start, from a TOML file and then from `DAVSERVER_SECTION__KEY` in the
environment, which wins. A secret `x` may also come from the file named by `x_file`. Every part is
handed its own section, never the whole. `config.example.toml` shows all settings; a test compares
it with this module.
"""

from __future__ import annotations

import tomllib
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal, Self, get_args
from urllib.parse import SplitResult, quote_plus, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from storage.errors import Misconfigured
from storage.refusals import ENV_PREFIX, sentences_for, strange_sections, strange_variables

_STARS = "***"
_KIB = 1024
_MIB = 1024 * _KIB
_PLAIN_URL_WORDS = frozenset({
    "application_name", "channel_binding", "connect_timeout", "host", "port", "sslmode",
    "sslrootcert", "target_session_attrs",
})  # fmt: skip

Seconds = float


class Section(BaseModel):
    """One table of the file. Unknown keys are refused; secrets may be named by file."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _read_secret_files(cls, values: Any) -> Any:  # Any: pydantic hands in what it was given
        if not isinstance(values, dict):
            return values
        values = dict(values)
        cls._refuse_empty(values)
        for name in cls.names_with_files():
            file_name = values.pop(f"{name}_file", None)
            if file_name is None:
                continue
            if values.get(name) is not None:
                raise ValueError(f"{name} and {name}_file are both set; keep one of them")
            values[name] = _read_secret(Path(str(file_name)), f"{name}_file")
        return values

    @classmethod
    def _refuse_empty(cls, values: dict[str, Any]) -> None:  # Any: not yet checked
        # An empty text is never meant: as a host it is every address, as a path this folder.
        for name, value in values.items():
            field = cls.model_fields.get(name.removesuffix("_file"))
            if value == "" and (field is None or field.default != ""):
                raise ValueError(f"{name} is empty; give it a value, or leave it out")

    @classmethod
    def names_with_files(cls) -> tuple[str, ...]:
        """Name the settings `x` of this section that may come from the file named by `x_file`."""
        return cls.secret_names()

    @classmethod
    def secret_names(cls) -> tuple[str, ...]:
        """Name the settings of this section that are never printed."""
        return tuple(
            name
            for name, field in cls.model_fields.items()
            if field.annotation is SecretStr or SecretStr in get_args(field.annotation)
        )


class ServerConfig(Section):
    """Where the server listens and what the world calls it."""

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    public_url: str | None = None
    tls_certificate: Path | None = None
    tls_key: Path | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.public_url is not None:
            parts = _split_web_address(self.public_url)
            if parts is None:
                raise ValueError(
                    "public_url must be a whole address such as https://drive.example.org"
                )
            if parts.path not in ("", "/") or parts.query or parts.fragment:
                raise ValueError("public_url must end after the host and port, without a path")
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together; set both or neither")
        return self

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def base_url(self) -> str:
        """The address to print and to build links from, without a slash at the end."""
        if self.public_url is not None:
            return self.public_url.rstrip("/")
        host = f"[{self.host}]" if ":" in self.host else self.host
        scheme = "https" if self.tls_certificate else "http"
        return f"{scheme}://{host}:{self.port}"


class DatabaseConfig(Section):
    """Where everything but the files' bytes is kept."""

    url: SecretStr = SecretStr("sqlite:///data/davserver.db")
    durability: Literal["full", "relaxed"] = "full"
    busy_timeout_seconds: Seconds = Field(default=10.0, gt=0, le=300)
    statement_timeout_seconds: Seconds = Field(default=30.0, gt=0, le=3600)
    pool_size: int = Field(default=10, ge=1, le=1000)

    @model_validator(mode="after")
    def _check(self) -> Self:
        text = self.url.get_secret_value()
        if not text.startswith(("sqlite:", "postgresql:")):
            raise ValueError("url must begin with sqlite:/// or postgresql://")
        # With two of them it is a guess where the password ends, and part of it would be shown.
        if not self.is_sqlite and text.count("@") > 1:
            raise ValueError("url holds more than one @; write %40 for those in the password")
        try:
            make_url(text)
        except (ArgumentError, ValueError):
            raise ValueError(
                "url can't be understood; it must look like sqlite:///data/davserver.db "
                "or postgresql://user:password@host:5432/name"
            ) from None
        if self.is_sqlite and self.sqlite_path is None:
            raise ValueError(
                "url must name a file and nothing else, as in sqlite:///data/davserver.db"
            )
        return self

    @property
    def is_sqlite(self) -> bool:
        """Whether the embedded database is used."""
        return self.url.get_secret_value().startswith("sqlite:")

    @property
    def sqlite_path(self) -> Path | None:
        """The database's file, where there is one."""
        url = make_url(self.url.get_secret_value())
        if not self.is_sqlite or url.host or url.query or url.database in (None, "", ":memory:"):
            return None
        return Path(str(url.database))


class BlobsConfig(Section):
    """Where the files' bytes are kept."""

    kind: Literal["disk", "s3", "memory"] = "disk"
    path: Path = Path("data/blobs")
    bucket: str | None = None
    prefix: str = ""
    endpoint_url: str | None = None
    region: str | None = None
    addressing: Literal["auto", "path", "virtual"] = "auto"
    access_key_id: SecretStr | None = None
    secret_access_key: SecretStr | None = None
    part_bytes: int = Field(default=8 * _MIB, ge=5 * _MIB, le=5 * 1024 * _MIB)
    connect_timeout_seconds: Seconds = Field(default=5.0, gt=0, le=300)
    read_timeout_seconds: Seconds = Field(default=30.0, gt=0, le=3600)
    attempts: int = Field(default=4, ge=1, le=20)
    connections: int = Field(default=16, ge=1, le=1000)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.kind == "s3" and not self.bucket:
            raise ValueError(
                'bucket must be set when kind is "s3"; give the name of a bucket that exists'
            )
        if self.kind != "s3" and self.bucket:
            raise ValueError(
                f'bucket is set, but kind is "{self.kind}"; set kind to "s3", or take bucket out'
            )
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise ValueError("access_key_id and secret_access_key go together; set both or neither")
        if self.prefix and (self.prefix.startswith("/") or not self.prefix.endswith("/")):
            raise ValueError('prefix must look like "davserver/": no slash first, one last')
        if self.endpoint_url is not None and _split_web_address(self.endpoint_url) is None:
            raise ValueError(
                "endpoint_url must be a whole address such as https://s3.example.org, "
                "without a user name or password"
            )
        return self


class SecretsConfig(Section):
    """Where the keys come from that seal stored secrets. Never the database."""

    key_file: Path | None = None
    keys: SecretStr | None = None

    @classmethod
    def names_with_files(cls) -> tuple[str, ...]:
        """Name none: `key_file` is that file, and it is checked more strictly than others."""
        return ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.key_file is not None and self.keys is not None:
            raise ValueError("key_file and keys are both set; keep one of them")
        return self

    @property
    def effective_key_file(self) -> Path | None:
        """The key file in use: the one named, or the embedded default; None with `keys`."""
        if self.keys is not None:
            return None
        return self.key_file or Path("data/davserver.keys")


class LogConfig(Section):
    """What is written to standard error, and how."""

    format: Literal["auto", "text", "json"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"


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
        if self.is_embedded:
            return self
        if self.secrets.key_file is None and self.secrets.keys is None:
            raise ValueError(
                "[secrets] key_file (or keys) must be set once the database or the blobs live "
                "elsewhere; make one with: davserver keys new FILE"
            )
        key_file = self.secrets.effective_key_file
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


def _split_web_address(text: str) -> SplitResult | None:
    """Return the parts of an http(s) address, or None when it is none or names a user."""
    try:
        parts = urlsplit(text)
        is_whole = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number, half a bracket
        return None
    return parts if is_whole and "@" not in parts.netloc else None


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


def _read_secret(path: Path, setting: str) -> str:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise ValueError(f"{setting} names {path}, which can't be read: {reason}") from None
    if not text:
        raise ValueError(f"{setting} names {path}, which is empty")
    return text
