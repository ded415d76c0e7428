"""A server that runs out of file descriptors: it rests, goes on serving, and recovers."""

import contextlib
import resource
import socket
from datetime import datetime
from pathlib import Path

from tests.running_server import eventually, serving

GET = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"


def test_without_descriptors_it_rests_and_recovers(tmp_path):
    with serving(tmp_path, DAVSERVER_SERVER__WORKERS="1") as server, contextlib.ExitStack() as all_:
        pid = server.process.pid
        held = len(list(Path(f"/proc/{pid}/fd").iterdir()))
        _, most = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (held + 4, most))
        peers = []
        for _ in range(12):
            peer = all_.enter_context(socket.create_connection(("127.0.0.1", server.port), 20))
            peer.sendall(GET)
            peers.append(peer)

        def failures():
            return [e for e in server.events if e["event"] == "accept-failed"]

        eventually(lambda: len(failures()) >= 3)
        # It rests between two tries, instead of asking again and again ...
        first, second, third = (
            datetime.fromisoformat(event["timestamp"]) for event in failures()[:3]
        )
        assert min(second - first, third - second).total_seconds() > 0.4
        # ... serves those whom it has ...
        assert peers[0].recv(1000).startswith(b"HTTP/1.1 200 ")
        peers[0].sendall(GET)
        assert peers[0].recv(1000).startswith(b"HTTP/1.1 200 ")
        # ... and all others, once it may.
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, most))
        assert [peer.recv(1000)[:13] for peer in peers[1:]] == [b"HTTP/1.1 200 "] * 11
