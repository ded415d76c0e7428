"""Blobs in an S3 bucket: AWS, MinIO, R2, B2, Ceph, Garage, rclone.

Keys in the bucket are `prefix` plus the blob's key, and whatever else lives there is left alone.
Every act has patience for `stall_timeout_seconds` without progress: it fails within about thrice
that time, cleaning up included, and never hangs. Opened by `opening`, after the fork.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from storage.drive.blobs import CHUNK_BYTES, BlobEntry, BlobReader, BlobRef, ByteSource
from storage.drive.blobs.checking import check_key, check_range, check_stored_size, is_key
from storage.drive.blobs.parts import Part, plan_part_sizes, read_parts, send_parts
from storage.drive.blobs.patience import Patience
from storage.drive.blobs.probing import probe
from storage.drive.blobs.resuming import ResumingReader
from storage.drive.blobs.s3_client import (
    DamagedOnTheWay,
    NoSuchRange,
    NoSuchUpload,
    SentBody,
    asking,
    each_page,
    open_clients,
    setup_sentence,
)
from storage.errors import Misconfigured, NotFound, StoreError, Unavailable
from storage.randomness import RandomBytes, new_blob_key
from storage.sections import BlobsConfig

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import CompletedPartTypeDef

_LONGEST_PRESIGN_SECONDS = 7 * 24 * 3600


class _Place(TypedDict):
    Bucket: str
    Key: str


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
        self._stall_seconds = config.stall_timeout_seconds
        self._random = random
        self._clients = open_clients(config)
        self._client = self._clients.patient
        self._senders = ThreadPoolExecutor(config.connections, thread_name_prefix="s3-part")

    def put(self, source: ByteSource, *, expected_size: int | None = None) -> BlobRef:
        """Send one body, or parts of one when it is longer than a part."""
        key = new_blob_key(self._random)
        parts = read_parts(source, plan_part_sizes(self._part_bytes, expected_size))
        part = next(parts)
        patience = self._patience()
        if part.is_last:
            with self._discarding(key):
                self._send("put_object", part, patience, **self._place(key))
            return BlobRef(key, part.size)
        # The first part goes back into the loop without a name here, which would keep it alive.
        waiting = deque([part])
        del part
        with self._discarding(key):
            return BlobRef(key, self._put_in_parts(key, waiting, parts, patience))

    def open(self, ref: BlobRef, *, start: int = 0, length: int | None = None) -> BlobReader:
        """Open a range; when the connection breaks, it is opened again from where it stopped."""
        check_range(start, length)
        check_key(ref.key)
        patience = self._patience()
        end = ref.size if length is None else min(start + length, ref.size)
        if start >= end:
            with asking(patience):
                found = self._client.head_object(**self._place(ref.key))
            check_stored_size(ref, found["ContentLength"])
            return BytesIO()

        def open_at(given: int) -> BlobReader:
            return self._open_range(ref, start + given, end, patience)

        return ResumingReader(open_at, attempts=self._attempts, patience=patience)

    def delete(self, key: str) -> None:
        """Remove the object, if it is there."""
        if not is_key(key):
            return
        with contextlib.suppress(NotFound), asking(self._patience()):
            self._client.delete_object(**self._place(key))

    def list(self) -> Iterator[BlobEntry]:
        """Give every object whose name is the prefix and a key of ours, a page at a time."""
        lister = self._client.get_paginator("list_objects_v2")
        pages = lister.paginate(Bucket=self._bucket, Prefix=self._prefix)
        for page in each_page(pages, self._patience()):
            for found in page.get("Contents", ()):
                if key := self._own_key(found["Key"]):
                    yield BlobEntry(key, found["Size"], found["LastModified"])

    def presign(self, ref: BlobRef, *, expires_seconds: int) -> str | None:
        """Sign a GET of the whole blob; a week at most, as stores take no more."""
        check_key(ref.key)
        with asking(self._patience()):
            return self._client.generate_presigned_url(
                "get_object",
                Params={**self._place(ref.key)},
                ExpiresIn=min(expires_seconds, _LONGEST_PRESIGN_SECONDS),
            )

    def sweep_unfinished(self, *, started_before: datetime) -> int:
        """Abort multipart uploads of ours that began before then, as after a kill -9."""
        patience = self._patience()
        strays = [
            (name, upload_id)
            for name, upload_id, started_at in self._list_uploads(
                self._client, self._prefix, patience
            )
            if started_at < started_before and self._own_key(name)
        ]
        for name, upload_id in strays:
            with contextlib.suppress(NoSuchUpload), asking(patience):
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
            sentence = setup_sentence(error.__cause__)
            if sentence is None:
                raise
            raise Misconfigured(sentence) from error

    def close(self) -> None:
        """Wait for the parts under way, then give back the threads and connections."""
        self._senders.shutdown(cancel_futures=True)
        self._clients.close()

    def _patience(self) -> Patience:
        return Patience(self._stall_seconds)

    def _put_in_parts(
        self, key: str, waiting: deque[Part], parts: Iterator[Part], patience: Patience
    ) -> int:
        upload_id = self._begin_upload(key, patience)

        def send(part: Part) -> tuple[CompletedPartTypeDef, int]:
            answer = self._send(
                "upload_part",
                part,
                patience,
                UploadId=upload_id,
                PartNumber=part.number,
                **self._place(key),
            )
            return {"ETag": answer["ETag"], "PartNumber": part.number}, part.size

        sent = send_parts(waiting, parts, send, self._senders, patience)
        size = sum(part_size for _, part_size in sent)
        patience.renew()
        completed = [completed for completed, _ in sent]
        self._complete_upload(key, upload_id, completed, size, patience)
        return size

    def _begin_upload(self, key: str, patience: Patience) -> str:
        with asking(patience):
            begun = self._client.create_multipart_upload(**self._place(key))
        # A try whose answer was lost may have begun an upload that nobody knows the id of.
        if begun["ResponseMetadata"]["RetryAttempts"]:
            self._abort_uploads(key, patience, but=begun["UploadId"])
        return begun["UploadId"]

    def _send(
        self,
        act: Literal["put_object", "upload_part"],
        part: Part,
        patience: Patience,
        **params: Any,
    ) -> Any:  # Any: boto3's parameters and answers differ by act
        digest = hashlib.md5(part.body.getbuffer(), usedforsecurity=False).digest()
        # The body goes as a file: boto3 then sends it in small pieces with a time-out each,
        # where one call with all the bytes would be cut off on a slow line.
        body = SentBody(part.body)
        params |= {
            "Body": body,
            "ContentLength": part.size,
            "ContentMD5": base64.b64encode(digest).decode("ascii"),
        }
        try:
            return self._send_undamaged(act, params, patience)
        finally:
            body.let_go()

    def _send_undamaged(self, act: str, params: dict[str, Any], patience: Patience) -> Any:
        for attempt in range(1, self._attempts + 1):
            params["Body"].seek(0)
            try:
                with asking(patience):
                    return getattr(self._client, act)(**params)
            except DamagedOnTheWay:
                # boto3 takes a refused checksum for our mistake, and does not try again.
                if attempt == self._attempts:
                    raise
        raise AssertionError("attempts is at least 1")

    def _complete_upload(
        self,
        key: str,
        upload_id: str,
        sent: Sequence[CompletedPartTypeDef],
        size: int,
        patience: Patience,
    ) -> None:
        try:
            with asking(patience):
                self._client.complete_multipart_upload(
                    **self._place(key), UploadId=upload_id, MultipartUpload={"Parts": sent}
                )
        except NoSuchUpload:
            # A second try finds no upload when only the answer to the first was lost.
            found_size = None
            with contextlib.suppress(NotFound), asking(patience):
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
            patience = Patience(self._stall_seconds / 2)
            with contextlib.suppress(StoreError):
                self._abort_uploads(key, patience)
            with contextlib.suppress(StoreError), asking(patience):
                self._clients.hasty.delete_object(**self._place(key))
            raise

    def _abort_uploads(self, key: str, patience: Patience, *, but: str | None = None) -> None:
        name = self._prefix + key
        hasty = self._clients.hasty
        for _, upload_id, _ in tuple(self._list_uploads(hasty, name, patience)):
            if upload_id != but:
                with contextlib.suppress(NoSuchUpload), asking(patience):
                    hasty.abort_multipart_upload(Bucket=self._bucket, Key=name, UploadId=upload_id)

    def _list_uploads(
        self, client: S3Client, prefix: str, patience: Patience
    ) -> Iterator[tuple[str, str, datetime]]:
        lister = client.get_paginator("list_multipart_uploads")
        pages = each_page(lister.paginate(Bucket=self._bucket, Prefix=prefix), patience)
        with contextlib.suppress(NoSuchUpload):  # how rclone says that there are none
            for page in pages:
                for upload in page.get("Uploads", ()):
                    yield upload["Key"], upload["UploadId"], upload["Initiated"]

    def _open_range(self, ref: BlobRef, start: int, end: int, patience: Patience) -> BlobReader:
        params: dict[str, Any] = {**self._place(ref.key)}  # Any: as the client takes them
        is_range = (start, end) != (0, ref.size)
        if is_range:
            params["Range"] = f"bytes={start}-{end - 1}"
        try:
            # Not the answer is progress, but the bytes: else a store that stalls after each answer
            # would be waited for as many times as there are tries.
            with asking(patience, is_progress=False):
                answer = self._client.get_object(**params)
        except NoSuchRange:
            # An object that ends before `start`; how long it is, only another call tells.
            with asking(patience):
                found = self._client.head_object(**self._place(ref.key))
            check_stored_size(ref, found["ContentLength"])
            raise
        # boto3's stream waits until it has all that was asked for. The one under it, which `with`
        # would give and boto3's types don't know, can give what has arrived.
        body = _Body(answer["Body"].__enter__(), answer["ContentLength"], patience)
        try:
            if not is_range:
                check_stored_size(ref, answer["ContentLength"])
                return body
            given, _, stored_size = answer.get("ContentRange", "").partition("/")
            if stored_size.isdecimal():
                check_stored_size(ref, int(stored_size))
            if given != f"bytes {start}-{end - 1}":
                raise Unavailable("The blob store gave other bytes than were asked for.")
        except BaseException:
            body.close()
            raise
        return body

    def _place(self, key: str) -> _Place:
        return {"Bucket": self._bucket, "Key": self._prefix + key}

    def _own_key(self, name: str) -> str | None:
        key = name.removeprefix(self._prefix)
        return key if is_key(key) else None


class _Body:
    """The bytes of one answer, with our errors; it ends only where it was announced to end."""

    def __init__(self, stream: Any, size: int, patience: Patience) -> None:  # Any: see its maker
        self._stream = stream
        self._remaining = size
        self._patience = patience

    def read(self, size: int, /) -> bytes:
        wanted = min(size, self._remaining, CHUNK_BYTES)
        if wanted == 0:
            return b""
        with asking(self._patience, is_progress=False):
            data: bytes = self._stream.read1(wanted)
        if not data:
            raise Unavailable("The blob store broke off in the middle of a file.")
        self._remaining -= len(data)
        return data

    def close(self) -> None:
        self._stream.close()
