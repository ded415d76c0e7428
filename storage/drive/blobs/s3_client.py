"""The vendor's library for S3: its clients, its errors in our words, and how long it may take.

What is asked of a store is decided in `s3`, the only caller. Every call goes through `asking`.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import boto3.session
from botocore.config import Config as ClientConfig
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError as TransportError

from storage.drive.blobs.patience import Patience
from storage.errors import Misconfigured, NotFound, OverQuota, Unavailable
from storage.sections import BlobsConfig

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

Page = TypeVar("Page")

_MISSING_CODES = frozenset({"NoSuchKey", "404", "NotFound"})
_FULL_CODES = frozenset(
    {"EntityTooLarge", "InsufficientStorage", "QuotaExceeded", "XMinioStorageFull"}
)
_DAMAGED_CODES = frozenset({"BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch"})
_SETUP_SENTENCES = {
    "NoSuchBucket": "The store has no bucket of that name; make it, or correct [blobs] bucket.",
    "InvalidBucketName": "[blobs] bucket is no name that the store accepts; correct it.",
    "AccessDenied": "The store refuses our keys; let those of [blobs] put, get, list and delete.",
    "403": "The store refuses our keys; let those of [blobs] put, get, list and delete.",
    "InvalidAccessKeyId": "The store does not know [blobs] access_key_id; correct it.",
    "SignatureDoesNotMatch": "[blobs] secret_access_key is not the one of that key id; correct it.",
    "AuthorizationHeaderMalformed": "The bucket is in another region; correct [blobs] region.",
    "PermanentRedirect": "The bucket is elsewhere; correct [blobs] region or endpoint_url.",
    "301": "The bucket is elsewhere; correct [blobs] region or endpoint_url.",
}

_patience: ContextVar[Patience | None] = ContextVar("_patience", default=None)


class NoSuchUpload(Unavailable):
    """The multipart upload has ended, well or not, or never was."""


class NoSuchRange(Unavailable):
    """The object is there, but ends before the range begins."""


class DamagedOnTheWay(Unavailable):
    """The store got other bytes than were sent."""


@dataclass(frozen=True, slots=True)
class Clients:
    """A patient client for all work, and a hasty one that tries once.

    The hasty one cleans up after a failure, which must not double the time that was lost already.
    """

    patient: S3Client
    hasty: S3Client

    def close(self) -> None:
        """Give back the connections."""
        self.patient.close()
        self.hasty.close()


class SentBody:
    """A part's bytes on their way: those that go for the first time renew the patience.

    The library reads a body once more to sign it, and again with every try; that is no progress.
    """

    def __init__(self, body: BytesIO) -> None:
        self._body = body
        self._farthest = 0
        self._is_on_its_way = False

    def depart(self) -> None:
        """Tell that what is read from now on is sent."""
        self._is_on_its_way = True

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes. Raises Unavailable when nobody waits for them any more."""
        if self._is_on_its_way and (patience := _patience.get()):
            patience.check()
            # The bytes before these have left, as the library asks for more.
            if self._body.tell() > self._farthest:
                self._farthest = self._body.tell()
                patience.renew()
        return self._body.read(size)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go back for another try."""
        self._is_on_its_way = False
        return self._body.seek(offset, whence)

    def tell(self) -> int:
        """Return the position."""
        return self._body.tell()

    def let_go(self) -> None:
        """Free the bytes now: errors of earlier tries hold on to them, in circles."""
        self._body.close()


def open_clients(config: BlobsConfig) -> Clients:
    """Set the library up. Raises Misconfigured."""
    if config.ca_bundle is not None:
        _check_certificates(config.ca_bundle)
    key_id, secret = config.access_key_id, config.secret_access_key
    try:
        session = boto3.session.Session(
            aws_access_key_id=key_id.get_secret_value() if key_id else None,
            aws_secret_access_key=secret.get_secret_value() if secret else None,
            region_name=config.region,
        )
        patient, hasty = (
            session.client(
                "s3",
                endpoint_url=config.endpoint_url,
                region_name=session.region_name or "us-east-1",
                verify=None if config.ca_bundle is None else str(config.ca_bundle),
                config=_client_config(config, attempts=attempts, longest_seconds=longest_seconds),
            )
            for attempts, longest_seconds in (
                (config.attempts, config.stall_timeout_seconds),
                (1, config.stall_timeout_seconds / 4),
            )
        )
    except (BotoCoreError, ValueError) as error:
        raise Misconfigured(
            "The S3 client can't be set up; look at endpoint_url and region in [blobs]."
        ) from error
    for client in (patient, hasty):
        # Last, as the library's own waiting for its turn belongs to the time that is measured.
        client.meta.events.register_last("before-send.s3", _depart)
        client.meta.events.register_first("needs-retry.s3", _refuse_retry)
    return Clients(patient, hasty)


@contextlib.contextmanager
def asking(patience: Patience, *, is_progress: bool = True) -> Iterator[None]:
    """Raise our errors for the library's, and let its tries end with the patience.

    An answer renews the patience, unless it is no progress.
    """
    token = _patience.set(patience)
    try:
        yield
    except ClientError as error:
        raise _own_error(error) from error
    except (BotoCoreError, ResponseParserError, TransportError, OSError) as error:
        # boto3 lets a few errors through from the library under it, such as those of TLS.
        raise Unavailable("The blob store does not answer.") from error
    finally:
        _patience.reset(token)
    if is_progress:
        patience.renew()


def each_page(pages: Iterable[Page], patience: Patience) -> Iterator[Page]:
    """Give the pages of a listing, each of them asked for with the errors of `asking`."""
    following = iter(pages)
    while True:
        patience.renew()  # the time between two pages was the caller's
        with asking(patience):
            page = next(following, None)
        if page is None:
            return
        yield page


def setup_sentence(error: BaseException | None) -> str | None:
    """Return what to do about the set-up, when that is what the library's error is about."""
    if isinstance(error, NoCredentialsError):
        return "There are no keys; set [blobs] access_key_id and secret_access_key."
    return _SETUP_SENTENCES.get(_code(error)) if isinstance(error, ClientError) else None


def _own_error(error: ClientError) -> NotFound | OverQuota | Unavailable:
    code = _code(error)
    if code in _MISSING_CODES:
        return NotFound("There is no such blob.")
    if code == "NoSuchUpload":
        return NoSuchUpload("The blob store has lost an upload.")
    if code == "InvalidRange":
        return NoSuchRange("The blob store has fewer bytes than were asked for.")
    if code in _DAMAGED_CODES:
        return DamagedOnTheWay("The blob store got other bytes than were sent.")
    if code in _FULL_CODES:
        return OverQuota("The blob store is full.")
    if code in _SETUP_SENTENCES:
        return Unavailable("The blob store refuses this server; its log says why.")
    return Unavailable("The blob store does not do its work.")


def _code(error: ClientError) -> str:
    return error.response["Error"].get("Code", "")


def _depart(request: Any, **_: Any) -> None:  # Any: the library hands its events in untyped
    if patience := _patience.get():
        patience.check()
    if isinstance(request.body, SentBody):
        request.body.depart()


def _refuse_retry(response: Any, **_: Any) -> None:  # Any: as above
    # Without this the library would still pause before the next try, which is refused anyway.
    has_failed = response is None or response[0].status_code >= 500
    if has_failed and (patience := _patience.get()):
        patience.check()


def _client_config(config: BlobsConfig, *, attempts: int, longest_seconds: float) -> ClientConfig:
    return ClientConfig(
        signature_version="s3v4",
        s3={"addressing_style": config.addressing},
        connect_timeout=min(config.connect_timeout_seconds, longest_seconds),
        read_timeout=min(config.read_timeout_seconds, longest_seconds),
        # Not "adaptive": there all threads queue for a rate that falls to a try in two seconds,
        # and thirty puts to a store that says SlowDown take over a minute to fail.
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=config.connections,
        tcp_keepalive=True,
        # boto3's own checksums come as trailers that older stores refuse; we send MD5.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )


def _check_certificates(path: Path) -> None:
    try:
        ssl.create_default_context(cafile=path)
    except OSError as error:  # a file that is no certificate is one too
        raise Misconfigured(
            "[blobs] ca_bundle names no file with certificates that can be read; correct it."
        ) from error
