"""Parts of files, sent without being read."""

import pytest

from davserver.http.file_body import FileBody

GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
CONTENT = bytes(range(256)) * 8000


@pytest.fixture
def file_server(serve, tmp_path):
    """Start an application that answers with a part of a file."""
    path = tmp_path / "blob"
    path.write_bytes(CONTENT)
    closed = []

    def start(offset, count, *, announced=True, wrapped=False, **settings):
        def app(environ, start_response):
            file = path.open("rb")

            def close():
                file.close()
                closed.append(True)

            length = [("Content-Length", str(count))] if announced else []
            start_response("200 OK", length)
            body = FileBody(file.fileno(), offset, count, close)
            return wrapping(body) if wrapped else body

        return serve(app, **settings), closed

    return start


def wrapping(body):
    """Stand for a middleware that is a generator."""
    try:
        yield body
    finally:
        body.close()


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("announced", [False, True])
def test_a_part_of_a_file_arrives_exactly(file_server, announced, wrapped):
    server, _ = file_server(1000, 1_500_000, announced=announced, wrapped=wrapped)
    assert server.ask(GET).body == CONTENT[1000:1_501_000]


def test_the_connection_goes_on_after_a_file(file_server):
    server, _ = file_server(0, 10)
    peer = server.connect().send(GET)
    assert peer.reply().body == CONTENT[:10]
    assert peer.send(GET).reply().body == CONTENT[:10]


def test_the_file_is_closed_once(file_server):
    server, closed = file_server(0, 10)
    server.ask(GET)
    server.eventually(lambda: closed)
    assert closed == [True]


def test_head_sends_nothing_of_the_file(file_server):
    server, _ = file_server(0, 10)
    peer = server.connect().send(b"HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n")
    assert peer.reply("HEAD")["content-length"] == "10"
    assert peer.says_nothing_for(0.1)


def test_a_file_that_ends_early_tears_the_connection(file_server):
    server, _ = file_server(len(CONTENT) - 10, 100)
    peer = server.connect().send(GET)
    assert peer.head().status == 200
    assert peer.is_reset()


def test_any_other_server_may_iterate_over_it(tmp_path):
    path = tmp_path / "blob"
    path.write_bytes(CONTENT)
    with path.open("rb") as file:
        assert b"".join(FileBody(file.fileno(), 5, 1_000_000)) == CONTENT[5:1_000_005]
