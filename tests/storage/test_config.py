from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from storage.config import Config, load_config, masked
from storage.errors import Misconfigured

S3 = '[blobs]\nkind = "s3"\nbucket = "b"\n'
POSTGRESQL = '[database]\nurl = "postgresql://u@db/d"\n'
NO_SECTION = (
    "is not a section of the configuration; "
    "there are [server], [database], [blobs], [dav], [secrets] and [log]."
)
PORT_RANGE = "[server] port must be a whole number from 0 to 65535."
LEVELS = '[log] level must be "debug", "info", "warning" or "error".'
URL_FORM = (
    "[database] url can't be understood; it must look like sqlite:///data/davserver.db "
    "or postgresql://user:password@host:5432/name; several hosts are written as "
    "postgresql://user:password@/name?host=h1:5432&host=h2:5432."
)
SQLITE_FORM = "[database] url must name a file and nothing else, as in sqlite:///data/davserver.db."
PUBLIC_URL_FORM = "[server] public_url must be a whole address such as https://drive.example.org."
PUBLIC_URL_END = "[server] public_url must end after the host and port, without a path."
ENDPOINT_FORM = (
    "[blobs] endpoint_url must be a whole address such as https://s3.example.org, "
    "without a user name or password."
)
PREFIX_FORM = '[blobs] prefix must look like "davserver/": no slash first, one last.'
SOCKET_PATH = "[server] host names a Unix socket; its path may have 107 bytes at most."
HSTS_FORM = (
    '[server] hsts must look like "max-age=63072000; includeSubDomains; preload"; '
    '"max-age=0" takes an earlier promise back.'
)
PROXIES_FORM = (
    '[server] trusted_proxies must hold addresses, networks such as 10.0.0.0/8, or "unix".'
)
PAIR_OF_KEYS = "[blobs] access_key_id and secret_access_key go together; set both or neither."
NO_KEY_FILE = (
    "[secrets] key_file (or keys) must be set with PostgreSQL or S3; "
    "make one with: davserver keys new FILE."
)
SSL_MODES = (
    "[database] url must have one of these as its sslmode: disable, allow, prefer, require, "
    "verify-ca, verify-full."
)

REFUSED = {
    "port-too-high": (
        "[server]\nport = 70000",
        PORT_RANGE,
    ),
    "port-negative": (
        "[server]\nport = -1",
        PORT_RANGE,
    ),
    "port-in-words": (
        '[server]\nport = "http"',
        PORT_RANGE,
    ),
    "port-true": ("[server]\nport = true", "[server] port can't be true or false."),
    "seconds-false": (
        "[database]\nbusy_timeout_seconds = false",
        "[database] busy_timeout_seconds can't be true or false.",
    ),
    "sslmode-that-is-none": (
        '[database]\nurl = "postgresql://u@db/d?sslmode=yes"\n[secrets]\nkey_file = "/k"',
        SSL_MODES,
    ),
    "database-port-too-high": (
        '[database]\nurl = "postgresql://u@db:70000/d"\n[secrets]\nkey_file = "/k"',
        "[database] url names port 70000; ports go from 1 to 65535.",
    ),
    "database-among-the-blobs": (
        '[database]\nurl = "sqlite:///files/deep/a.db"\n[blobs]\npath = "files"',
        "[database] url names a file in the folder of the blobs; give it a folder of its own.",
    ),
    "endpoint-of-a-disk": (
        '[blobs]\nendpoint_url = "https://s3.example.org"',
        '[blobs] endpoint_url is set, but kind is "disk"; set kind to "s3", or take it out.',
    ),
    "s3-keys-of-a-disk": (
        '[blobs]\naccess_key_id = "a"\nsecret_access_key = "b"',
        '[blobs] access_key_id is set, but kind is "disk"; set kind to "s3", or take it out.',
    ),
    "port-with-a-fraction": (
        "[server]\nport = 80.5",
        PORT_RANGE,
    ),
    "host-not-text": ("[server]\nhost = 5", "[server] host must be text, in quotes."),
    "host-empty": (
        '[server]\nhost = ""',
        "[server] host is empty; give it a value, or leave it out.",
    ),
    "public-url-without-scheme": ('[server]\npublic_url = "drive.example.org"', PUBLIC_URL_FORM),
    "public-url-of-another-scheme": ('[server]\npublic_url = "ftp://a.example"', PUBLIC_URL_FORM),
    "public-url-with-a-bad-port": ('[server]\npublic_url = "https://a:99999"', PUBLIC_URL_FORM),
    "public-url-half-a-bracket": ('[server]\npublic_url = "https://[::1"', PUBLIC_URL_FORM),
    "public-url-with-a-user": ('[server]\npublic_url = "https://u:p@a.example"', PUBLIC_URL_FORM),
    "public-url-with-a-path": ('[server]\npublic_url = "https://a.example/dav"', PUBLIC_URL_END),
    "public-url-with-a-query": ('[server]\npublic_url = "https://a.example?x=1"', PUBLIC_URL_END),
    "certificate-without-key": (
        '[server]\ntls_certificate = "c.pem"',
        "[server] tls_certificate and tls_key go together; set both or neither.",
    ),
    "key-without-certificate": (
        '[server]\ntls_key = "k.pem"',
        "[server] tls_certificate and tls_key go together; set both or neither.",
    ),
    "certificate-not-a-path": (
        '[server]\ntls_certificate = 5\ntls_key = "k.pem"',
        "[server] tls_certificate must be a path, in quotes.",
    ),
    "socket-without-a-path": (
        '[server]\nhost = "unix:"',
        "[server] host names no path; write it as unix:/run/davserver/socket.",
    ),
    "socket-with-a-path-too-long": (
        f'[server]\nhost = "unix:/{"s" * 107}"',
        SOCKET_PATH,
    ),
    "socket-with-a-path-that-ends-early": ('[server]\nhost = "unix:/a\\u0000b"', SOCKET_PATH),
    "workers-none": (
        "[server]\nworkers = 0",
        "[server] workers must be a whole number from 1 to 256.",
    ),
    "metrics-for-everybody": (
        '[server]\nmetrics = "all"',
        '[server] metrics must be "loopback" or "off".',
    ),
    "tls-of-old": (
        '[server]\ntls_minimum = "1.1"',
        '[server] tls_minimum must be "1.2" or "1.3".',
    ),
    "hsts-without-an-age": ('[server]\nhsts = "preload"', HSTS_FORM),
    "hsts-of-two-lines": ('[server]\nhsts = "max-age=1\\r\\nSet-Cookie: a=b"', HSTS_FORM),
    "hsts-empty": (
        '[server]\nhsts = ""',
        "[server] hsts is empty; give it a value, or leave it out.",
    ),
    "proxies-not-a-list": (
        "[server]\ntrusted_proxies = 5",
        "[server] trusted_proxies must be a list of texts, each in quotes.",
    ),
    "proxies-of-numbers": (
        "[server]\ntrusted_proxies = [5]",
        "[server] trusted_proxies must be a list of texts, each in quotes.",
    ),
    "proxies-by-name": ('[server]\ntrusted_proxies = ["proxy.example.org"]', PROXIES_FORM),
    "proxies-in-a-network-with-host-bits": (
        '[server]\ntrusted_proxies = ["10.0.0.1/8"]',
        PROXIES_FORM,
    ),
    "forwarded-header-of-another-name": (
        '[server]\nforwarded_header = "x-real-ip"',
        '[server] forwarded_header must be "x-forwarded" or "forwarded".',
    ),
    "fewer-threads-at-most-than-at-least": (
        "[server]\nthreads = 4\nmax_threads = 3",
        "[server] max_threads must not be less than threads.",
    ),
    "database-of-another-make": (
        '[database]\nurl = "mysql://u:secret@db/d"',
        "[database] url must begin with sqlite:/// or postgresql://.",
    ),
    "database-shouted": (
        '[database]\nurl = "SQLITE:///a.db"',
        "[database] url must begin with sqlite:/// or postgresql://.",
    ),
    "database-not-text": ("[database]\nurl = 5", "[database] url must be text, in quotes."),
    "sqlite-in-memory": ('[database]\nurl = "sqlite:///:memory:"', SQLITE_FORM),
    "sqlite-without-a-file": ('[database]\nurl = "sqlite://"', SQLITE_FORM),
    "sqlite-with-two-slashes": ('[database]\nurl = "sqlite://data/a.db"', SQLITE_FORM),
    "sqlite-with-words-after-it": (
        '[database]\nurl = "sqlite:///file:x?mode=memory&uri=true"',
        SQLITE_FORM,
    ),
    "postgresql-with-a-bad-port": ('[database]\nurl = "postgresql://u@db:abc/d"', URL_FORM),
    "postgresql-with-two-ats": (
        '[database]\nurl = "postgresql://u:p@ss@db/d"',
        "[database] url holds more than one @; write %40 for those in the password.",
    ),
    "durability-unknown": (
        '[database]\ndurability = "none"',
        '[database] durability must be "full" or "relaxed".',
    ),
    "busy-timeout-zero": (
        "[database]\nbusy_timeout_seconds = 0",
        "[database] busy_timeout_seconds must be a number above 0 and at most 300.",
    ),
    "busy-timeout-not-a-number": (
        "[database]\nbusy_timeout_seconds = nan",
        "[database] busy_timeout_seconds must be a number above 0 and at most 300.",
    ),
    "statement-timeout-endless": (
        "[database]\nstatement_timeout_seconds = inf",
        "[database] statement_timeout_seconds must be a number above 0 and at most 3600.",
    ),
    "pool-size-zero": (
        "[database]\npool_size = 0",
        "[database] pool_size must be a whole number from 1 to 1000.",
    ),
    "blobs-of-another-kind": (
        '[blobs]\nkind = "tape"',
        '[blobs] kind must be "disk", "s3" or "memory".',
    ),
    "blobs-path-not-a-path": ("[blobs]\npath = 5", "[blobs] path must be a path, in quotes."),
    "blobs-path-empty": (
        '[blobs]\npath = ""',
        "[blobs] path is empty; give it a value, or leave it out.",
    ),
    "s3-without-a-bucket": (
        '[blobs]\nkind = "s3"',
        '[blobs] bucket must be set when kind is "s3"; give the name of a bucket that exists.',
    ),
    "bucket-without-s3": (
        '[blobs]\nbucket = "b"',
        '[blobs] bucket is set, but kind is "disk"; set kind to "s3", or take bucket out.',
    ),
    "access-key-alone": (f'{S3}access_key_id = "a"', PAIR_OF_KEYS),
    "secret-key-alone": (f'{S3}secret_access_key = "s"', PAIR_OF_KEYS),
    "prefix-with-a-slash-first": (f'{S3}prefix = "/a/"', PREFIX_FORM),
    "prefix-without-a-slash-last": (f'{S3}prefix = "a"', PREFIX_FORM),
    "endpoint-without-scheme": (f'{S3}endpoint_url = "s3.example.org"', ENDPOINT_FORM),
    "endpoint-with-a-password": (f'{S3}endpoint_url = "https://a:b@s3.example"', ENDPOINT_FORM),
    "addressing-unknown": (
        f'{S3}addressing = "dns"',
        '[blobs] addressing must be "auto", "path" or "virtual".',
    ),
    "part-too-small": (
        "[blobs]\npart_bytes = 1",
        "[blobs] part_bytes must be a whole number from 5242880 to 5368709120.",
    ),
    "connect-timeout-zero": (
        "[blobs]\nconnect_timeout_seconds = 0",
        "[blobs] connect_timeout_seconds must be a number above 0 and at most 300.",
    ),
    "read-timeout-zero": (
        "[blobs]\nread_timeout_seconds = 0",
        "[blobs] read_timeout_seconds must be a number above 0 and at most 3600.",
    ),
    "stall-timeout-zero": (
        "[blobs]\nstall_timeout_seconds = 0",
        "[blobs] stall_timeout_seconds must be a number above 0 and at most 3600.",
    ),
    "ca-bundle-not-a-path": (
        "[blobs]\nca_bundle = 5",
        "[blobs] ca_bundle must be a path, in quotes.",
    ),
    "no-attempts": (
        "[blobs]\nattempts = 0",
        "[blobs] attempts must be a whole number from 1 to 20.",
    ),
    "no-connections": (
        "[blobs]\nconnections = 0",
        "[blobs] connections must be a whole number from 1 to 1000.",
    ),
    "two-homes-of-keys": (
        '[secrets]\nkey_file = "f"\nkeys = "k:secret"',
        "[secrets] key_file and keys are both set; keep one of them.",
    ),
    "file-of-the-keys-setting": (
        '[secrets]\nkeys_file = "f"',
        "[secrets] keys_file is not a setting; this section has key_file and keys.",
    ),
    "postgresql-without-keys": (POSTGRESQL, NO_KEY_FILE),
    "s3-without-keys": (S3, NO_KEY_FILE),
    "log-format-unknown": (
        '[log]\nformat = "xml"',
        '[log] format must be "auto", "text" or "json".',
    ),
    "log-level-unknown": (
        '[log]\nlevel = "loud"',
        LEVELS,
    ),
    "unknown-key": (
        '[log]\ncolour = "red"',
        "[log] colour is not a setting; this section has format and level.",
    ),
    "unknown-section": (
        "[colours]\nred = 1",
        f"colours {NO_SECTION}",
    ),
    "key-outside-of-a-section": (
        "port = 80",
        f"port {NO_SECTION}",
    ),
    "name-that-the-settings-library-knows": (
        '_env_file = "x"',
        f"_env_file {NO_SECTION}",
    ),
    "section-that-is-a-value": (
        "server = 5",
        "[server] must be a section with settings of its own.",
    ),
    "two-things-wrong": (
        '[server]\nport = -1\n[log]\nlevel = "loud"',
        f"{PORT_RANGE}\n{LEVELS}",
    ),
}


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "davserver.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(path: Path | None) -> str:
    with pytest.raises(Misconfigured) as refused:
        load_config(path)
    return refused.value.message


@pytest.mark.parametrize(("text", "sentence"), REFUSED.values(), ids=REFUSED.keys())
def test_what_can_not_work_is_refused_with_one_sentence(tmp_path, text, sentence):
    assert refusal(written(tmp_path, text)) == sentence


SERVER_RANGES = {
    "socket_mode": (-1, 512, "a whole number from 0 to 511"),
    "threads": (0, 1001, "a whole number from 1 to 1000"),
    "max_threads": (0, 10001, "a whole number from 1 to 10000"),
    "max_connections": (0, 1_000_001, "a whole number from 1 to 1000000"),
    "connections_per_address": (0, 1_000_001, "a whole number from 1 to 1000000"),
    "backlog": (0, 65536, "a whole number from 1 to 65535"),
    "max_request_line_bytes": (1023, 1048577, "a whole number from 1024 to 1048576"),
    "max_header_bytes": (1023, 1048577, "a whole number from 1024 to 1048576"),
    "max_headers": (7, 10001, "a whole number from 8 to 10000"),
    "max_body_bytes": (-1, '"all"', "a whole number of 0 or more"),
    "header_timeout_seconds": (0, 301, "a number above 0 and at most 300"),
    "idle_timeout_seconds": (0, 3601, "a number above 0 and at most 3600"),
    "body_timeout_seconds": (0, 3601, "a number above 0 and at most 3600"),
    "min_body_bytes_per_second": (-1, 1048577, "a whole number from 0 to 1048576"),
    "body_rate_window_seconds": (0, 3601, "a number above 0 and at most 3600"),
    "write_timeout_seconds": (0, 3601, "a number above 0 and at most 3600"),
    "drain_timeout_seconds": (0, 61, "a number above 0 and at most 60"),
    "linger_timeout_seconds": (0, 61, "a number above 0 and at most 60"),
    "grace_seconds": (-1, 3601, "a number from 0 to 3600"),
}


@pytest.mark.parametrize("setting", SERVER_RANGES)
@pytest.mark.parametrize("end", [0, 1], ids=["too-little", "too-much"])
def test_a_number_out_of_its_range_is_refused_with_the_range(tmp_path, setting, end):
    value, wanted = SERVER_RANGES[setting][end], SERVER_RANGES[setting][2]
    text = f"[server]\n{setting} = {value}"
    assert refusal(written(tmp_path, text)) == f"[server] {setting} must be {wanted}."


# --- Where settings come from -----------------------------------------------------------------


def test_nothing_set_is_the_embedded_default():
    assert load_config().is_embedded


def test_the_file_beats_the_default(tmp_path):
    assert load_config(written(tmp_path, "[server]\nport = 9000")).server.port == 9000


def test_the_environment_beats_the_file(tmp_path, monkeypatch):
    monkeypatch.setenv("DAVSERVER_SERVER__PORT", "9001")
    assert load_config(written(tmp_path, "[server]\nport = 9000")).server.port == 9001


def test_the_environment_leaves_its_neighbours_to_the_file(tmp_path, monkeypatch):
    monkeypatch.setenv("DAVSERVER_SERVER__PORT", "9001")
    assert load_config(written(tmp_path, '[server]\nhost = "::1"')).server.host == "::1"


def test_a_list_in_the_environment_has_commas(monkeypatch):
    monkeypatch.setenv("DAVSERVER_SERVER__TRUSTED_PROXIES", "127.0.0.1, 10.0.0.0/8,unix")
    assert load_config().server.trusted_proxies == ("127.0.0.1", "10.0.0.0/8", "unix")


def test_a_list_of_nonsense_in_the_environment_is_refused(monkeypatch):
    monkeypatch.setenv("DAVSERVER_SERVER__TRUSTED_PROXIES", '["10.0.0.1"')
    assert refusal(None) == PROXIES_FORM


@pytest.mark.parametrize(
    ("host", "path"),
    [
        ("unix:/run/davserver/socket", "/run/davserver/socket"),
        ("unix:socket", "socket"),
        ("127.0.0.1", None),
        ("unix.example.org", None),
    ],
)
def test_a_host_may_name_a_unix_socket(host, path):
    assert Config(server={"host": host}).server.unix_socket == path


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [
        ("127.0.0.9", True), ("::1", True), ("localhost", True), ("unix:/run/s", True),
        ("0.0.0.0", False), ("::", False), ("192.0.2.1", False), ("drive.example.org", False),
    ],
)  # fmt: skip
def test_only_a_loopback_host_keeps_others_out(host, is_loopback):
    assert Config(server={"host": host}).server.is_loopback is is_loopback


@pytest.mark.parametrize(
    "hsts", ["max-age=0", "max-age=63072000", "max-age=9;includeSubDomains", "max-age=9; preload"]
)
def test_the_promise_of_tls_may_be_longer_or_shorter(hsts):
    assert Config(server={"hsts": hsts}).server.hsts == hsts


def test_tls_may_be_spoken_on_a_unix_socket(tmp_path):
    text = '[server]\nhost = "unix:/run/s"\ntls_certificate = "c.pem"\ntls_key = "k.pem"'
    assert load_config(written(tmp_path, text)).server.tls_certificate == Path("c.pem")


def test_a_refused_value_from_the_environment_is_named_by_its_variable(monkeypatch):
    monkeypatch.setenv("DAVSERVER_SERVER__PORT", "http")
    assert refusal(None) == (
        "[server] port (from DAVSERVER_SERVER__PORT) must be a whole number from 0 to 65535."
    )


def test_an_unknown_key_in_the_environment_is_refused(monkeypatch):
    monkeypatch.setenv("DAVSERVER_LOG__COLOUR", "red")
    assert refusal(None) == (
        "[log] colour (from DAVSERVER_LOG__COLOUR) is not a setting; "
        "this section has format and level."
    )


@pytest.mark.parametrize("name", ["DAVSERVER_COLOURS__RED", "DAVSERVER_PORT", "DAVSERVER_SERVER"])
def test_an_unknown_variable_in_the_environment_is_refused(monkeypatch, name):
    monkeypatch.setenv(name, "1")
    assert refusal(None) == (
        f"The environment variable {name} is not a setting; settings are named "
        "DAVSERVER_SECTION__KEY, and the sections are SERVER, DATABASE, BLOBS, DAV, SECRETS and "
        "LOG."
    )


def test_every_unknown_variable_is_named(monkeypatch):
    monkeypatch.setenv("DAVSERVER_A", "1")
    monkeypatch.setenv("DAVSERVER_B", "1")
    assert [line.split()[3] for line in refusal(None).splitlines()] == [
        "DAVSERVER_A",
        "DAVSERVER_B",
    ]


def test_the_variable_that_names_the_file_is_no_setting(monkeypatch):
    monkeypatch.setenv("DAVSERVER_CONFIG", "anything")
    assert load_config() == Config()


def test_a_missing_file_is_refused(tmp_path):
    path = tmp_path / "none.toml"
    assert refusal(path) == (
        f"There is no configuration file {path}. Copy config.example.toml there, "
        "or leave --config out to use the embedded default."
    )


def test_a_folder_in_place_of_the_file_is_refused(tmp_path):
    assert refusal(tmp_path) == (
        f"The configuration file {tmp_path} can't be read: Is a directory."
    )


def test_a_file_that_is_not_toml_is_refused(tmp_path):
    path = written(tmp_path, "port: 80")
    assert refusal(path).startswith(f"The configuration file {path} is not TOML: ")


def test_a_file_that_is_not_text_is_refused(tmp_path):
    path = tmp_path / "davserver.toml"
    path.write_bytes(b"\xff\xfe")
    assert refusal(path) == f"The configuration file {path} is not UTF-8 text."


# --- Secrets ----------------------------------------------------------------------------------


@pytest.fixture
def secret_file(tmp_path):
    path = tmp_path / "secret"
    path.write_text("hunter2\n")
    return path


def test_a_secret_may_come_from_a_file(tmp_path, secret_file):
    text = f'{S3}access_key_id = "a"\nsecret_access_key_file = "{secret_file}"\n'
    text += '[secrets]\nkey_file = "/k"'
    blobs = load_config(written(tmp_path, text)).blobs
    assert blobs.secret_access_key == SecretStr("hunter2")


def test_the_environment_may_name_the_file_of_a_secret(monkeypatch, tmp_path):
    (tmp_path / "url").write_text("sqlite:///elsewhere.db")
    monkeypatch.setenv("DAVSERVER_DATABASE__URL_FILE", str(tmp_path / "url"))
    assert load_config().database.sqlite_path == Path("elsewhere.db")


def test_a_secret_and_its_file_are_not_both_taken(tmp_path, secret_file):
    text = f'[database]\nurl = "sqlite:///a.db"\nurl_file = "{secret_file}"'
    assert refusal(written(tmp_path, text)) == (
        "[database] url and url_file are both set; keep one of them."
    )


def test_only_secrets_may_come_from_files(tmp_path, secret_file):
    sentence = refusal(written(tmp_path, f'[log]\nlevel_file = "{secret_file}"'))
    assert sentence == "[log] level_file is not a setting; this section has format and level."


def test_a_missing_secret_file_is_refused(tmp_path):
    sentence = refusal(written(tmp_path, f'[database]\nurl_file = "{tmp_path}/none"'))
    assert sentence == (
        f"[database] url_file names {tmp_path}/none, which can't be read: "
        "No such file or directory."
    )


def test_an_unreadable_secret_file_is_refused(tmp_path):
    sentence = refusal(written(tmp_path, f'[database]\nurl_file = "{tmp_path}"'))
    assert sentence == (
        f"[database] url_file names {tmp_path}, which can't be read: Is a directory."
    )


def test_a_secret_file_that_is_not_text_is_refused(tmp_path, secret_file):
    secret_file.write_bytes(b"\xff")
    sentence = refusal(written(tmp_path, f'[database]\nurl_file = "{secret_file}"'))
    assert sentence == (
        f"[database] url_file names {secret_file}, which can't be read: it is not text."
    )


def test_an_empty_secret_file_is_refused(tmp_path, secret_file):
    secret_file.write_text("\n")
    sentence = refusal(written(tmp_path, f'[database]\nurl_file = "{secret_file}"'))
    assert sentence == f"[database] url_file names {secret_file}, which is empty."


@pytest.mark.parametrize(
    "text",
    [
        '[database]\nurl = "mysql://u:hunter2@db/d"',
        '[database]\nurl = "postgresql://u:hun@ter2@db/d"',
        '[database]\nurl = "postgresql://u:hunter2@db:abc/d"',
        '[database]\nurl = ["hunter2"]',
        '[blobs]\nsecret_access_key = "hunter2"',
        '[blobs]\nsecret_access_key = ["hunter2"]',
        '[secrets]\nkey_file = "f"\nkeys = "hunter2"',
        '[secrets]\nkeyz = "hunter2"',
    ],
)
def test_no_refusal_repeats_a_secret(tmp_path, text):
    assert "ter2" not in refusal(written(tmp_path, text))


# --- What is shown ----------------------------------------------------------------------------


def with_secrets(url: str) -> Config:
    return Config(
        database={"url": url},
        blobs={
            "kind": "s3",
            "bucket": "b",
            "access_key_id": "abc:hunter2",
            "secret_access_key": "x://hunter2",
        },
        secrets={"keys": "k1:hunter2"},
    )


SECRET_URLS = {
    "password": "postgresql://u:hunter2@db/d",
    "percent-encoded": "postgresql://u:%68unter2@db/d",
    "with-a-hash": "postgresql://u:12#hunter2@db/d",
    "with-a-slash": "postgresql://u:12/hunter2@db/d",
    "in-the-query": "postgresql://u@db/d?password=hunter2",
    "with-an-encoded-name": "postgresql://u@db/d?pass%77ord=hunter2",
    "of-the-client-key": "postgresql://u@db/d?sslmode=require&sslpassword=hunter2",
    "in-a-word-of-tomorrow": "postgresql://u@db/d?oauth_client_secret=hunter2",
}


@pytest.mark.parametrize("url", SECRET_URLS.values(), ids=SECRET_URLS.keys())
def test_a_masked_configuration_shows_no_secret(url):
    assert "unter2" not in str(masked(with_secrets(url)))


@pytest.mark.parametrize("url", SECRET_URLS.values(), ids=SECRET_URLS.keys())
def test_a_printed_configuration_shows_no_secret(url):
    config = with_secrets(url)
    assert "unter2" not in f"{config!r} {config!s} {config.database!r} {config.model_dump()}"


def test_a_masked_url_still_says_which_database():
    url = "postgresql://u:hunter2@db:5433/d?sslmode=verify-full"
    assert masked(with_secrets(url))["database"]["url"] == (
        "postgresql://u:***@db:5433/d?sslmode=verify-full"
    )


def test_a_masked_word_in_a_url_is_starred():
    url = "postgresql://u@db/d?password=hunter2"
    assert masked(with_secrets(url))["database"]["url"] == "postgresql://u@db/d?password=***"


def test_a_masked_configuration_tells_set_from_unset_secrets():
    shown = masked(Config(secrets={"keys": "k:v"}))
    assert (shown["secrets"]["keys"], shown["blobs"]["access_key_id"]) == ("***", None)


def test_a_masked_configuration_shows_what_is_no_secret():
    assert masked(Config())["server"]["port"] == 8080


# --- Keys stay apart from what they open --------------------------------------------------------


def key_file_refusal(what: str) -> str:
    return (
        f"[secrets] key_file lies in the folder of {what}, so that one copy of that folder "
        "would hold the ciphertext and its key; move the key file elsewhere."
    )


def test_a_key_file_beside_the_database_is_refused(tmp_path):
    text = (
        f'[database]\nurl = "sqlite:///{tmp_path}/db/a.db"\n{S3}'
        f'[secrets]\nkey_file = "{tmp_path}/db/keys"'
    )
    assert refusal(written(tmp_path, text)) == key_file_refusal("the database")


def test_a_key_file_among_the_blobs_is_refused(tmp_path):
    text = (
        f'{POSTGRESQL}[blobs]\npath = "{tmp_path}/blobs"\n'
        f'[secrets]\nkey_file = "{tmp_path}/blobs/a/keys"'
    )
    assert refusal(written(tmp_path, text)) == key_file_refusal("the blobs")


def test_a_key_file_that_links_into_the_blobs_is_refused(tmp_path):
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "keys").touch()
    (tmp_path / "keys").symlink_to(tmp_path / "blobs" / "keys")
    text = (
        f'{POSTGRESQL}[blobs]\npath = "{tmp_path}/blobs"\n[secrets]\nkey_file = "{tmp_path}/keys"'
    )
    assert refusal(written(tmp_path, text)) == key_file_refusal("the blobs")


def test_a_key_file_in_a_linked_folder_of_blobs_is_refused(tmp_path):
    (tmp_path / "blobs").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "blobs")
    text = (
        f'{POSTGRESQL}[blobs]\npath = "{tmp_path}/link"\n'
        f'[secrets]\nkey_file = "{tmp_path}/blobs/keys"'
    )
    assert refusal(written(tmp_path, text)) == key_file_refusal("the blobs")


def test_a_key_file_behind_dots_is_refused(tmp_path):
    text = (
        f'{POSTGRESQL}[blobs]\npath = "{tmp_path}/blobs"\n'
        f'[secrets]\nkey_file = "{tmp_path}/other/../blobs/keys"'
    )
    assert refusal(written(tmp_path, text)) == key_file_refusal("the blobs")


def test_a_key_file_apart_is_taken(tmp_path):
    text = (
        f'{POSTGRESQL}[blobs]\npath = "{tmp_path}/blobs"\n'
        f'[secrets]\nkey_file = "{tmp_path}/blobs.keys"'
    )
    assert load_config(written(tmp_path, text)).secrets.key_file == tmp_path / "blobs.keys"


def test_keys_from_the_environment_lie_in_no_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DAVSERVER_SECRETS__KEYS", "k:v")
    assert load_config(written(tmp_path, POSTGRESQL)).secrets_in_use.key_file is None


def test_an_embedded_set_up_may_keep_its_key_beside_its_data(tmp_path):
    text = f'[database]\nurl = "sqlite:///{tmp_path}/a.db"\n[secrets]\nkey_file = "{tmp_path}/keys"'
    assert load_config(written(tmp_path, text)).is_embedded


# --- What sections work out -------------------------------------------------------------------


def test_a_configuration_is_frozen():
    with pytest.raises(ValidationError):
        Config().server = None


def test_a_section_is_frozen():
    with pytest.raises(ValidationError):
        Config().server.port = 1


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///a/b.db", "a/b.db"),
        ("sqlite:////srv/b.db", "/srv/b.db"),
        ("sqlite:///with%20blank.db", "with blank.db"),
    ],
)
def test_the_sqlite_path_is_the_one_that_is_opened(url, path):
    assert Config(database={"url": url}).database.sqlite_path == Path(path)


@pytest.mark.parametrize(
    ("server", "address"),
    [
        ({}, "http://127.0.0.1:8080"),
        ({"host": "::1"}, "http://[::1]:8080"),
        ({"tls_certificate": "c", "tls_key": "k"}, "https://127.0.0.1:8080"),
        ({"public_url": "https://drive.example.org/"}, "https://drive.example.org"),
        ({"host": "unix:/run/s"}, "http://localhost"),
    ],
    ids=["plain", "ipv6", "tls", "public", "unix"],
)
def test_the_base_url_is_where_people_reach_it(server, address):
    assert Config(server=server).server.base_url == address
