"""Blobs in an S3 bucket: AWS, MinIO, R2, B2, Ceph, Garage, rclone.

The only module that knows boto3. Keys in the bucket are `prefix` plus the blob's key, and whatever
else lives there is left alone. Time-outs are on every call: it fails within about `attempts` times
the two time-outs, and never hangs. Opened by `opening`, after the fork.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeVar

import boto3.session
from botocore.config import Config as ClientConfig
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError as TransportError

from storage.drive.blobs import BlobEntry, BlobReader, BlobRef, ByteSource
from storage.drive.blobs.parts import Part, plan_part_sizes, read_parts, send_parts
from storage.drive.blobs.probing import probe
from storage.drive.blobs.resuming import ResumingReader
from storage.errors import Misconfigured, NotFound, OverQuota, StoreError, Unavailable
from storage.randomness import RandomBytes, new_blob_key
from storage.sections import BlobsConfig

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import CompletedPartTypeDef

Page = TypeVar("Page")

_READ_BYTES = 1024 * 1024
_LONGEST_PRESIGN_SECONDS = 7 * 24 * 3600
_KEY = re.compile(r"[0-9a-f]{32}")

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


class _Place(TypedDict):
    Bucket: str
    Key: str


class _NoSuchUpload(Unavailable):
    """The multipart upload has ended, well or not, or never was."""


class S3Blobs:
    """A BlobStore in a bucket. Safe to share by threads, not by forked processes.

    An upload holds at most three parts in memory. Every body carries its MD5, the one checksum
    that all stores compare; so damage on the way is refused by the store, and sent again.
    """

    def __init__(self, config: BlobsConfig, *, random: RandomBytes) -> None:
        self._bucket = config.bucket or ""
        self._prefix = config.prefix
        self._part_bytes = config.part_bytes
        self._attempts = config.attempts
        self._random = random
        self._client, self._hasty_client = _open_clients(config)
        self._senders = ThreadPoolExecutor(config.connections, thread_name_prefix="s3-part")

    def put(self, source: ByteSource, *, expected_size: int | None = None) -> BlobRef:
        """Send one body, or parts of one when it is longer than a part."""
        key = new_blob_key(self._random)
        parts = read_parts(source, plan_part_sizes(self._part_bytes, expected_size))
        part = next(parts)
        if part.is_last:
            with self._discarding(key):
                self._send("put_object", part, **self._place(key))
            return BlobRef(key, part.size)
        # The first part goes back into the loop without a name here, which would keep it alive.
        waiting = deque([part])
        del part
        with self._discarding(key):
            return BlobRef(key, self._put_in_parts(key, waiting, parts))

    def open(self, ref: BlobRef, *, start: int = 0, length: int | None = None) -> BlobReader:
        """Open a range; when the connection breaks, it is opened again from where it stopped."""
        if length == 0:
            with _own_errors():
                self._client.head_object(**self._place(ref.key))
            return BytesIO()

        def open_at(given: int) -> BlobReader:
            rest = None if length is None else length - given
            return self._open_range(ref.key, start + given, rest)

        return ResumingReader(open_at, attempts=self._attempts)

    def delete(self, key: str) -> None:
        """Remove the object, if it is there."""
        with contextlib.suppress(NotFound), _own_errors():
            self._client.delete_object(**self._place(key))

    def list(self) -> Iterator[BlobEntry]:
        """Give every object whose name is the prefix and a key of ours, a page at a time."""
        lister = self._client.get_paginator("list_objects_v2")
        for page in _each_page(lister.paginate(Bucket=self._bucket, Prefix=self._prefix)):
            for found in page.get("Contents", ()):
                if key := self._own_key(found["Key"]):
                    yield BlobEntry(key, found["Size"], found["LastModified"])

    def presign(self, ref: BlobRef, *, expires_seconds: int) -> str | None:
        """Sign a GET of the whole blob; a week at most, as stores take no more."""
        with _own_errors():
            return self._client.generate_presigned_url(
                "get_object",
                Params={**self._place(ref.key)},
                ExpiresIn=min(expires_seconds, _LONGEST_PRESIGN_SECONDS),
            )

    def sweep_unfinished(self, *, started_before: datetime) -> int:
        """Abort multipart uploads of ours that began before then, as after a kill -9."""
        strays = [
            (name, upload_id)
            for name, upload_id, started_at in self._list_uploads(self._client, self._prefix)
            if started_at < started_before and self._own_key(name)
        ]
        for name, upload_id in strays:
            with contextlib.suppress(_NoSuchUpload), _own_errors():
                self._client.abort_multipart_upload(
                    Bucket=self._bucket, Key=name, UploadId=upload_id
                )
        return len(strays)

    def check(self) -> None:
        """Put, read, list and delete. Raises Misconfigured when the store refuses our set-up."""
        try:
            probe(self)
            next(self.list(), None)
        except StoreError as error:
            sentence = _SETUP_SENTENCES.get(_code(error.__cause__))
            if isinstance(error.__cause__, NoCredentialsError):
                sentence = "There are no keys; set [blobs] access_key_id and secret_access_key."
            if sentence is None:
                raise
            raise Misconfigured(sentence) from error

    def close(self) -> None:
        """Wait for the parts under way, then give back the threads and connections."""
        self._senders.shutdown(cancel_futures=True)
        self._client.close()
        self._hasty_client.close()

    def _put_in_parts(self, key: str, waiting: deque[Part], parts: Iterator[Part]) -> int:
        upload_id = self._begin_upload(key)

        def send(part: Part) -> tuple[CompletedPartTypeDef, int]:
            answer = self._send(
                "upload_part",
                part,
                UploadId=upload_id,
                PartNumber=part.number,
                **self._place(key),
            )
            return {"ETag": answer["ETag"], "PartNumber": part.number}, part.size

        sent = send_parts(waiting, parts, send, self._senders)
        size = sum(part_size for _, part_size in sent)
        self._complete_upload(key, upload_id, [completed for completed, _ in sent], size)
        return size

    def _begin_upload(self, key: str) -> str:
        with _own_errors():
            begun = self._client.create_multipart_upload(**self._place(key))
        # A try whose answer was lost may have begun an upload that nobody knows the id of.
        if begun["ResponseMetadata"]["RetryAttempts"]:
            self._abort_uploads(key, but=begun["UploadId"])
        return begun["UploadId"]

    def _send(
        self, act: Literal["put_object", "upload_part"], part: Part, **params: Any
    ) -> Any:  # Any: boto3's parameters and answers differ by act
        digest = hashlib.md5(part.body.getbuffer(), usedforsecurity=False).digest()
        # The body goes as a file: boto3 then sends it in small pieces with a time-out each,
        # where one call with all the bytes would be cut off on a slow line.
        params |= {
            "Body": part.body,
            "ContentLength": part.size,
            "ContentMD5": base64.b64encode(digest).decode("ascii"),
        }
        for attempt in range(1, self._attempts + 1):
            part.body.seek(0)
            try:
                with _own_errors():
                    return getattr(self._client, act)(**params)
            except Unavailable as error:
                # boto3 takes a refused checksum for our mistake; it is damage on the way.
                if _code(error.__cause__) not in _DAMAGED_CODES or attempt == self._attempts:
                    raise
        raise AssertionError("attempts is at least 1")

    def _complete_upload(
        self, key: str, upload_id: str, sent: Sequence[CompletedPartTypeDef], size: int
    ) -> None:
        try:
            with _own_errors():
                self._client.complete_multipart_upload(
                    **self._place(key), UploadId=upload_id, MultipartUpload={"Parts": sent}
                )
        except _NoSuchUpload:
            # A second try finds no upload when only the answer to the first was lost.
            found_size = None
            with contextlib.suppress(NotFound), _own_errors():
                found = self._client.head_object(**self._place(key))
                found_size = found["ContentLength"]
            if found_size != size:
                raise

    @contextlib.contextmanager
    def _discarding(self, key: str) -> Iterator[None]:
        try:
            yield
        except BaseException:
            # What can't be removed now is found by the sweeps; the first error is the one to tell.
            with contextlib.suppress(StoreError):
                self._abort_uploads(key)
            with contextlib.suppress(StoreError), _own_errors():
                self._hasty_client.delete_object(**self._place(key))
            raise

    def _abort_uploads(self, key: str, *, but: str | None = None) -> None:
        name = self._prefix + key
        for _, upload_id, _ in tuple(self._list_uploads(self._hasty_client, name)):
            if upload_id != but:
                with contextlib.suppress(_NoSuchUpload), _own_errors():
                    self._hasty_client.abort_multipart_upload(
                        Bucket=self._bucket, Key=name, UploadId=upload_id
                    )

    def _list_uploads(self, client: S3Client, prefix: str) -> Iterator[tuple[str, str, datetime]]:
        lister = client.get_paginator("list_multipart_uploads")
        pages = _each_page(lister.paginate(Bucket=self._bucket, Prefix=prefix))
        with contextlib.suppress(_NoSuchUpload):  # how rclone says that there are none
            for page in pages:
                for upload in page.get("Uploads", ()):
                    yield upload["Key"], upload["UploadId"], upload["Initiated"]

    def _open_range(self, key: str, start: int, length: int | None) -> BlobReader:
        params: dict[str, Any] = {**self._place(key)}  # Any: as the client takes them
        is_range = start > 0 or length is not None
        if is_range:
            end = "" if length is None else start + length - 1
            params["Range"] = f"bytes={start}-{end}"
        try:
            with _own_errors():
                answer = self._client.get_object(**params)
        except Unavailable as error:
            if _code(error.__cause__) == "InvalidRange":
                return BytesIO()  # it is there, and ends before `start`
            raise
        body = _Body(answer["Body"], answer["ContentLength"])
        if is_range and not answer.get("ContentRange", "").startswith(f"bytes {start}-"):
            body.close()
            raise Unavailable("The blob store gave other bytes than were asked for.")
        return body

    def _place(self, key: str) -> _Place:
        return {"Bucket": self._bucket, "Key": self._prefix + key}

    def _own_key(self, name: str) -> str | None:
        key = name.removeprefix(self._prefix)
        return key if _KEY.fullmatch(key) else None


class _Body:
    """The bytes of one answer, with our errors; it ends only where it was announced to end."""

    def __init__(self, body: StreamingBody, size: int) -> None:
        self._body = body
        self._remaining = size

    def read(self, size: int, /) -> bytes:
        wanted = min(size, self._remaining, _READ_BYTES)
        if wanted == 0:
            return b""
        with _own_errors():
            data = self._body.read(wanted)
        if not data:
            raise Unavailable("The blob store broke off in the middle of a file.")
        self._remaining -= len(data)
        return data

    def close(self) -> None:
        self._body.close()


def _open_clients(config: BlobsConfig) -> tuple[S3Client, S3Client]:
    """Return a patient client for all work, and a hasty one that tries once.

    The hasty one cleans up after a failure, which must not double the time that was lost already.
    """
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
                config=_client_config(config, attempts=attempts),
            )
            for attempts in (config.attempts, 1)
        )
    except (BotoCoreError, ValueError) as error:
        raise Misconfigured(
            "The S3 client can't be set up; look at endpoint_url and region in [blobs]."
        ) from error
    return patient, hasty


def _client_config(config: BlobsConfig, *, attempts: int) -> ClientConfig:
    return ClientConfig(
        signature_version="s3v4",
        s3={"addressing_style": config.addressing},
        connect_timeout=config.connect_timeout_seconds,
        read_timeout=config.read_timeout_seconds,
        retries={"mode": "adaptive", "total_max_attempts": attempts},
        max_pool_connections=config.connections,
        tcp_keepalive=True,
        # boto3's own checksums come as trailers that older stores refuse; we send MD5.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )


def _each_page(pages: Iterable[Page]) -> Iterator[Page]:
    following = iter(pages)
    while True:
        with _own_errors():
            page = next(following, None)
        if page is None:
            return
        yield page


def _code(error: BaseException | None) -> str:
    return error.response["Error"].get("Code", "") if isinstance(error, ClientError) else ""


@contextlib.contextmanager
def _own_errors() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = _code(error)
        if code in _MISSING_CODES:
            raise NotFound("There is no such blob.") from error
        if code == "NoSuchUpload":
            raise _NoSuchUpload("The blob store has lost an upload.") from error
        if code in _FULL_CODES:
            raise OverQuota("The blob store is full.") from error
        if code in _SETUP_SENTENCES:
            raise Unavailable("The blob store refuses this server; its log says why.") from error
        raise Unavailable("The blob store does not do its work.") from error
    except (BotoCoreError, ResponseParserError, TransportError, OSError) as error:
        # boto3 lets a few errors through from the library under it, such as those of TLS.
        raise Unavailable("The blob store does not answer.") from error
