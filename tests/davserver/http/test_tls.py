"""TLS with real certificates: modern, swapped while running, and frozen by nobody."""

import socket
import ssl
import warnings

import pytest

from storage.certificates import write_self_signed
from storage.clock import system_clock
from storage.errors import AlreadyExists, Misconfigured
from tests.made_certificates import make_certificate

GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture
def certify(tmp_path):
    """Write a new certificate over the old one, as an operator's renewal does."""

    def write():
        certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
        certificate.unlink(missing_ok=True)
        key.unlink(missing_ok=True)
        write_self_signed(certificate, key, names=["localhost", "127.0.0.1"], now=system_clock())
        return {"tls_certificate": certificate, "tls_key": key}

    return write


@pytest.fixture
def trusting(certify):
    """Return the settings of a server with TLS and a function that makes a client's context."""
    settings = certify()

    def context(version=None):
        made = ssl.create_default_context(cafile=settings["tls_certificate"])
        made.set_alpn_protocols(["h2", "http/1.1"])
        if version is not None:
            made.minimum_version = made.maximum_version = version
        return made

    return settings, context


def test_the_self_signed_certificate_is_good_for_its_names(serve, trusting):
    settings, context = trusting
    peer = serve(**settings).connect_tls(context())
    assert peer.send(GET).reply().body == b"GET /a "


def test_http_1_1_is_agreed_upon_by_alpn(serve, trusting):
    settings, context = trusting
    peer = serve(**settings).connect_tls(context())
    assert peer.sock.selected_alpn_protocol() == "http/1.1"


def test_a_response_over_tls_promises_tls(serve, trusting):
    settings, context = trusting
    reply = serve(**settings).connect_tls(context()).send(GET).reply()
    assert reply["strict-transport-security"].startswith("max-age=63072000")


def test_the_application_knows_that_it_was_tls(serve, trusting):
    settings, context = trusting

    def app(environ, start_response):
        start_response("200 OK", [])
        return [f"{environ['wsgi.url_scheme']} {environ['HTTPS']}".encode()]

    peer = serve(app, **settings).connect_tls(context())
    assert peer.send(GET).reply().body == b"https on"


def test_tls_1_2_is_still_spoken(serve, trusting):
    settings, context = trusting
    peer = serve(**settings).connect_tls(context(ssl.TLSVersion.TLSv1_2))
    assert peer.sock.version() == "TLSv1.2"


def test_tls_1_3_can_be_made_the_minimum(serve, trusting):
    settings, context = trusting
    server = serve(tls_minimum="1.3", **settings)
    with pytest.raises(ssl.SSLError):
        server.connect_tls(context(ssl.TLSVersion.TLSv1_2))


def test_tls_before_1_2_is_refused(serve, trusting):
    settings, context = trusting
    old = context()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        serve(**settings).connect_tls(old)


def test_tls_1_3_is_preferred(serve, trusting):
    settings, context = trusting
    assert serve(**settings).connect_tls(context()).sock.version() == "TLSv1.3"


def test_a_key_with_a_password_is_refused_without_asking_for_it(serve, tmp_path):
    certificate, key = make_certificate(tmp_path, password=b"planted")
    with pytest.raises(Misconfigured):
        serve(tls_certificate=certificate, tls_key=key)


def test_old_ciphers_are_refused(serve, trusting):
    settings, context = trusting
    old = context(ssl.TLSVersion.TLSv1_2)
    old.set_ciphers("ECDHE+AES128+SHA256:AES128-SHA")
    with pytest.raises(ssl.SSLError):
        serve(**settings).connect_tls(old)


def test_silent_connections_do_not_freeze_the_handshake_of_others(serve, trusting):
    """cheroot #748, #709."""
    settings, context = trusting
    server = serve(threads=1, max_threads=1, **settings)
    for _ in range(20):
        server.connect().send(b"\x16\x03\x01")
    assert server.connect_tls(context()).send(GET).reply().status == 200


def test_an_unfinished_handshake_has_a_deadline(serve, trusting):
    settings, _ = trusting
    peer = serve(header_timeout_seconds=0.2, **settings).connect().send(b"\x16\x03\x01\x02\x00\x01")
    assert peer.is_closed()


def test_plain_http_on_the_tls_port_is_told_so(serve, trusting):
    settings, _ = trusting
    reply = serve(**settings).ask(GET)
    assert (reply.status, b"HTTPS" in reply.body) == (400, True)


def test_garbage_on_the_tls_port_closes_the_connection(serve, trusting):
    settings, _ = trusting
    peer = serve(linger_timeout_seconds=0.2, **settings).connect().send(b"\0" * 100)
    peer.rest()
    assert peer.is_closed()


def test_many_requests_on_one_tls_connection(serve, trusting):
    settings, context = trusting
    peer = serve(**settings).connect_tls(context())
    assert [peer.send(GET).reply().status for _ in range(30)] == [200] * 30


def test_requests_pipelined_in_one_tls_record_are_all_answered(serve, trusting):
    settings, context = trusting
    peer = serve(**settings).connect_tls(context()).send(GET * 40)
    assert [peer.reply().status for _ in range(40)] == [200] * 40


def test_a_large_upload_arrives_over_tls(serve, trusting):
    settings, context = trusting
    peer = serve(**settings).connect_tls(context())
    body = bytes(range(256)) * 8000
    peer.send(b"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    assert peer.reply().body == b"PUT /a " + body


def test_a_large_download_arrives_over_tls(serve, trusting):
    settings, context = trusting

    def app(environ, start_response):
        start_response("200 OK", [("Content-Length", "5000000")])
        return [b"x" * 2_500_000] * 2

    peer = serve(app, **settings).connect_tls(context())
    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    assert peer.send(GET).reply().body == b"x" * 5_000_000


def test_a_file_arrives_over_tls(serve, trusting, tmp_path):
    from davserver.http.file_body import FileBody

    settings, context = trusting
    path = tmp_path / "blob"
    path.write_bytes(b"abc" * 400_000)

    def app(environ, start_response):
        file = path.open("rb")
        start_response("200 OK", [("Content-Length", "1199999")])
        return FileBody(file.fileno(), 1, 1_199_999, file.close)

    peer = serve(app, **settings).connect_tls(context())
    assert peer.send(GET).reply().body == path.read_bytes()[1:]


def test_a_new_certificate_is_used_for_new_connections_and_drops_none(serve, certify):
    settings = certify()
    server = serve(**settings)
    trusting = ssl.create_default_context(cafile=settings["tls_certificate"])
    old = server.connect_tls(trusting)
    before = old.sock.getpeercert(binary_form=True)
    certify()
    server.server.reload_certificates()
    renewed = ssl.create_default_context(cafile=settings["tls_certificate"])
    new = server.connect_tls(renewed)
    assert new.sock.getpeercert(binary_form=True) != before
    assert old.send(GET).reply().status == 200


def test_a_broken_certificate_is_refused_and_the_old_one_stays(serve, trusting):
    settings, context = trusting
    client = context()
    server = serve(**settings)
    settings["tls_certificate"].write_text("nonsense")
    with pytest.raises(Misconfigured):
        server.server.reload_certificates()
    assert server.connect_tls(client).send(GET).reply().status == 200


def test_a_key_is_never_written_over(certify, tmp_path):
    certify()
    with pytest.raises(AlreadyExists):
        write_self_signed(
            tmp_path / "tls.crt", tmp_path / "tls.key", names=["a"], now=system_clock()
        )


def test_the_key_is_readable_by_its_owner_only(certify):
    assert certify()["tls_key"].stat().st_mode & 0o777 == 0o600
