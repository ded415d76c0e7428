"""The sections of the configuration: every setting with its type, default and limits.

What one section may hold is decided here; what two of them must agree on, and how all are read,
in `config.py`. Every part of the program is handed its own section, never the whole.
"""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args
from urllib.parse import SplitResult, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

_KIB = 1024
_MIB = 1024 * _KIB

Seconds = float

_LONGEST_SOCKET_PATH = 107  # what the kernel has room for, its closing NUL aside
_HSTS = re.compile(r"max-age=[0-9]+(?:; ?(?:includeSubDomains|preload))*").fullmatch
_LAST_PORT = 65535
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_ONLY_FOR_S3 = ("endpoint_url", "region", "prefix", "access_key_id", "secret_access_key")


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
        cls._refuse_truth_for_numbers(values)
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
    def _refuse_truth_for_numbers(cls, values: dict[str, Any]) -> None:  # Any: not yet checked
        # To Python, true is 1; nobody who writes `port = true` means port 1.
        for name, value in values.items():
            field = cls.model_fields.get(name)
            if isinstance(value, bool) and field is not None and field.annotation is not bool:
                raise ValueError(f"{name} can't be true or false")

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
    """Where the server listens, what the world calls it, and how much it puts up with."""

    host: str = "127.0.0.1"  # or unix:/path/to/socket
    port: int = Field(default=8080, ge=0, le=65535)
    public_url: str | None = None
    workers: int | None = Field(default=None, ge=1, le=256)  # none: one for each core
    # "loopback": /metrics answers programs on this machine that came by no proxy.
    metrics: Literal["loopback", "off"] = "loopback"

    tls_certificate: Path | None = None
    tls_key: Path | None = None
    tls_minimum: Literal["1.2", "1.3"] = "1.2"
    hsts: str = "max-age=63072000; includeSubDomains; preload"

    # Addresses, networks, or "unix". NoDecode: the environment gives words with commas, not JSON.
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = ()
    # Which headers the proxy writes. It passes the others on as the client sent them, so only one
    # family may ever be believed.
    forwarded_header: Literal["x-forwarded", "forwarded"] = "x-forwarded"
    socket_mode: int = Field(default=0o660, ge=0, le=0o777)

    # Few threads share the interpreter's lock best (two serve a third more than four); more are
    # made while those wait for disks, databases or clients, and 128 of them cost about 10 MB.
    threads: int = Field(default=2, ge=1, le=1000)
    max_threads: int = Field(default=128, ge=1, le=10000)
    max_connections: int = Field(default=8192, ge=1, le=1_000_000)
    # A browser opens six, rclone up to sixteen and more with --transfers; an office behind one
    # address some dozens.
    connections_per_address: int = Field(default=100, ge=1, le=1_000_000)
    backlog: int = Field(default=1024, ge=1, le=65535)

    max_request_line_bytes: int = Field(default=32 * _KIB, ge=1024, le=_MIB)
    max_header_bytes: int = Field(default=32 * _KIB, ge=1024, le=_MIB)
    max_headers: int = Field(default=100, ge=8, le=10000)
    max_body_bytes: int | None = Field(default=None, ge=0)  # the drive has limits of its own

    header_timeout_seconds: Seconds = Field(default=10.0, gt=0, le=300)  # TLS handshake included
    idle_timeout_seconds: Seconds = Field(default=60.0, gt=0, le=3600)  # between two requests
    body_timeout_seconds: Seconds = Field(default=30.0, gt=0, le=3600)  # no byte of a body
    # Slower than any radio link in use, fast enough that holding a thread is not free.
    min_body_bytes_per_second: int = Field(default=256, ge=0, le=_MIB)
    body_rate_window_seconds: Seconds = Field(default=20.0, gt=0, le=3600)
    write_timeout_seconds: Seconds = Field(default=60.0, gt=0, le=3600)  # no byte acknowledged
    drain_timeout_seconds: Seconds = Field(default=1.0, gt=0, le=60)
    linger_timeout_seconds: Seconds = Field(default=2.0, gt=0, le=60)
    grace_seconds: Seconds = Field(default=20.0, ge=0, le=3600)  # for requests under way at a stop

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:  # Any: not yet checked
        if not isinstance(value, str):
            return value
        return tuple(word.strip() for word in value.split(",") if word.strip())

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._check_socket()
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
        if self.max_threads < self.threads:
            raise ValueError("max_threads must not be less than threads")
        if _HSTS(self.hsts) is None:
            raise ValueError(
                'hsts must look like "max-age=63072000; includeSubDomains; preload"; '
                '"max-age=0" takes an earlier promise back'
            )
        for network in self.trusted_proxies:
            _check_network(network)
        return self

    def _check_socket(self) -> None:
        path = self.unix_socket
        if path is None:
            return
        if not path:
            raise ValueError("host names no path; write it as unix:/run/davserver/socket")
        if "\0" in path or len(path.encode()) > _LONGEST_SOCKET_PATH:
            raise ValueError(
                f"host names a Unix socket; its path may have {_LONGEST_SOCKET_PATH} bytes at most"
            )

    @property
    def unix_socket(self) -> str | None:
        """The path of the socket to listen on, if it is a Unix one."""
        return self.host.removeprefix("unix:") if self.host.startswith("unix:") else None

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        if self.unix_socket is not None:
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def base_url(self) -> str:
        """The address to print and to build links from, without a slash at the end."""
        if self.public_url is not None:
            return self.public_url.rstrip("/")
        if self.unix_socket is not None:
            return "http://localhost"  # the proxy before it knows better; set public_url
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
            url = make_url(text)
        except (ArgumentError, ValueError):
            raise ValueError(
                "url can't be understood; it must look like sqlite:///data/davserver.db "
                "or postgresql://user:password@host:5432/name; several hosts are written as "
                "postgresql://user:password@/name?host=h1:5432&host=h2:5432"
            ) from None
        if url.port is not None and not 1 <= url.port <= _LAST_PORT:
            raise ValueError(f"url names port {url.port}; ports go from 1 to {_LAST_PORT}")
        if not self.is_sqlite and url.query.get("sslmode", "prefer") not in _SSL_MODES:
            raise ValueError(f"url must have one of these as its sslmode: {', '.join(_SSL_MODES)}")
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
    ca_bundle: Path | None = None
    part_bytes: int = Field(default=8 * _MIB, ge=5 * _MIB, le=5 * 1024 * _MIB)
    connect_timeout_seconds: Seconds = Field(default=5.0, gt=0, le=300)
    read_timeout_seconds: Seconds = Field(default=30.0, gt=0, le=3600)
    stall_timeout_seconds: Seconds = Field(default=60.0, gt=0, le=3600)
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
        if self.kind != "s3" and (strays := [name for name in _ONLY_FOR_S3 if getattr(self, name)]):
            raise ValueError(
                f'{strays[0]} is set, but kind is "{self.kind}"; set kind to "s3", or take it out'
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


class DavConfig(Section):
    """What the WebDAV door lets clients do."""

    max_upload_bytes: int | None = Field(default=None, ge=0)
    propfind_infinity: bool = False
    apple_double: Literal["keep", "hide"] = "keep"
    # Office and Finder renew every few minutes; who vanishes must not keep others out for long.
    lock_longest_seconds: int = Field(default=24 * 3600, ge=60, le=4 * 7 * 24 * 3600)
    trash_days: int = Field(default=30, ge=0, le=3650)
    allow_plain_http: bool = False


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


class LogConfig(Section):
    """What is written to standard error, and how."""

    format: Literal["auto", "text", "json"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"


def _split_web_address(text: str) -> SplitResult | None:
    """Return the parts of an http(s) address, or None when it is none or names a user."""
    try:
        parts = urlsplit(text)
        is_whole = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number, half a bracket
        return None
    return parts if is_whole and "@" not in parts.netloc else None


def _check_network(text: str) -> None:
    if text == "unix":
        return
    try:
        ip_network(text)
    except ValueError:
        raise ValueError(
            'trusted_proxies must hold addresses, networks such as 10.0.0.0/8, or "unix"'
        ) from None


def _read_secret(path: Path, setting: str) -> str:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise ValueError(f"{setting} names {path}, which can't be read: {reason}") from None
    if not text:
        raise ValueError(f"{setting} names {path}, which is empty")
    return text
