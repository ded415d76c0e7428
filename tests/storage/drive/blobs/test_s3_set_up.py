"""A set-up that S3 refuses, told by the setting that is wrong; and one with its own authority."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.drive.blobs import BlobRef
from storage.drive.blobs.s3 import S3Blobs
from storage.errors import Misconfigured, Unavailable
from tests import faulty_s3
from tests.faulty_s3 import EVERY_TIME
from tests.made_certificates import make_certificate
from tests.real_s3 import S3Server, s3_config, start_rclone


class TestAWrongSetUp:
    @pytest.mark.parametrize(
        ("code", "setting"),
        [
            ("InvalidAccessKeyId", "access_key_id"),
            ("SignatureDoesNotMatch", "secret_access_key"),
            ("AccessDenied", "[blobs]"),
            ("AuthorizationHeaderMalformed", "region"),
        ],
    )
    def test_is_told_by_the_check_with_the_setting(self, blobs, faulty, code: str, setting: str):
        faulty.plan("put", faulty_s3.answer(403, code), times=EVERY_TIME)
        with pytest.raises(Misconfigured, match=setting.replace("[", r"\[")):
            blobs.check()

    def test_with_a_missing_bucket_is_told_by_the_check(self, moto, chance):
        blobs = S3Blobs(s3_config(moto.url, "no-such-bucket"), random=chance)
        with pytest.raises(Misconfigured, match="bucket"):
            blobs.check()
        blobs.close()

    def test_with_wrong_keys_is_told_by_the_check_of_a_real_server(self, rclone, chance):
        bucket = rclone.new_bucket()
        config = s3_config(rclone.url, bucket, secret_access_key="another-key")
        blobs = S3Blobs(config, random=chance)
        with pytest.raises(Misconfigured, match="secret_access_key"):
            blobs.check()
        blobs.close()

    def test_with_a_region_that_can_be_none_is_told_at_once(self, moto, chance):
        with pytest.raises(Misconfigured, match="region"):
            S3Blobs(s3_config(moto.url, "bucket", region="no region"), random=chance)

    def test_without_keys_is_told_by_the_check(self, moto, bucket, chance, monkeypatch, tmp_path):
        for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
            monkeypatch.setenv(name, str(tmp_path / "none"))
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        config = s3_config(moto.url, bucket, access_key_id=None, secret_access_key=None)
        blobs = S3Blobs(config, random=chance)
        with pytest.raises(Misconfigured, match="access_key_id"):
            blobs.check()
        blobs.close()

    def test_at_run_time_is_unavailable_without_words_of_the_vendor(self, blobs, faulty):
        faulty.plan("get", faulty_s3.answer(403, "AccessDenied"), times=EVERY_TIME)
        with pytest.raises(Unavailable) as caught:
            blobs.open(BlobRef("0" * 32, 1))
        assert caught.value.message == "The blob store refuses this server; its log says why."


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    folder = tmp_path_factory.mktemp("private")
    certificate, key = make_certificate(folder, hosts=("127.0.0.1",))
    server = start_rclone(folder, certificate=certificate, key=key)
    yield server
    server.stop()


class TestAStoreWithAPrivateAuthority:
    def test_is_trusted_when_its_certificate_is_named(self, private: S3Server, chance):
        config = s3_config(private.url, private.new_bucket(), ca_bundle=private.ca_bundle)
        blobs = S3Blobs(config, random=chance)
        blobs.check()
        blobs.close()

    def test_is_not_trusted_otherwise(self, private: S3Server, chance):
        blobs = S3Blobs(s3_config(private.url, "bucket", attempts=1), random=chance)
        with pytest.raises(Unavailable):
            blobs.check()
        blobs.close()

    @pytest.mark.parametrize("content", [None, b"no certificate"], ids=["missing", "other"])
    def test_is_refused_at_once_with_a_bad_file(self, tmp_path: Path, chance, content):
        path = tmp_path / "ca.pem"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(Misconfigured, match="ca_bundle"):
            S3Blobs(s3_config("https://127.0.0.1:1", "bucket", ca_bundle=path), random=chance)
