"""Where the server listens."""

import pytest

from davserver.http.listening import open_listener
from storage.errors import Misconfigured
from storage.sections import ServerConfig

GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"


def test_a_unix_socket_serves(serve, tmp_path):
    assert serve(host=f"unix:{tmp_path}/s").ask(GET).status == 200


def test_a_unix_socket_has_the_configured_mode(tmp_path):
    with open_listener(ServerConfig(host=f"unix:{tmp_path}/s", socket_mode=0o600)):
        assert (tmp_path / "s").stat().st_mode & 0o777 == 0o600


def test_a_socket_that_a_dead_server_left_is_replaced(tmp_path):
    settings = ServerConfig(host=f"unix:{tmp_path}/s")
    open_listener(settings).close()
    with open_listener(settings) as again:
        assert again.getsockname() == f"{tmp_path}/s"


def test_a_socket_that_a_living_server_holds_is_left_alone(tmp_path):
    settings = ServerConfig(host=f"unix:{tmp_path}/s")
    with open_listener(settings), pytest.raises(Misconfigured):
        open_listener(settings)


def test_a_file_in_the_place_of_a_socket_is_left_alone(tmp_path):
    (tmp_path / "s").write_text("precious")
    with pytest.raises(Misconfigured):
        open_listener(ServerConfig(host=f"unix:{tmp_path}/s"))
    assert (tmp_path / "s").read_text() == "precious"


def test_a_port_in_use_is_one_clear_sentence():
    with open_listener(ServerConfig(port=0)) as first:
        port = first.getsockname()[1]
        with pytest.raises(Misconfigured, match=f"Port {port} of 127.0.0.1"):
            open_listener(ServerConfig(port=port))
