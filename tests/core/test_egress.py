"""Requests to addresses that others chose reach nothing of ours."""

import http.server
import socket
import threading
import time

import pytest

from core import egress

PRIVATE = [
    "https://127.0.0.1/",
    "https://127.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0177.0.0.1/",
    "https://0/",
    "https://0.0.0.0/",
    "https://10.0.0.1/",
    "https://172.16.0.1/",
    "https://192.168.1.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://100.64.0.1/",
    "https://192.0.0.1/",
    "https://198.18.0.1/",
    "https://224.0.0.1/",
    "https://240.0.0.1/",
    "https://255.255.255.255/",
    "https://localhost/",
    "https://localhost./",
    "https://[::1]/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[fe80::1]/",
    "https://[fc00::1]/",
    "https://[fd12:3456::1]/",
    "https://[ff02::1]/",
    "https://[2002:7f00:1::]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b:1::a00:1]/",
    "https://[2001:0:7f00:1::]/",
    "https://[::127.0.0.1]/",
]
WRONG = [
    "",
    "http://example.org/ https://example.org:8443/ https://example.org:22/ ftp://example.org/ file:///etc/passwd gopher://x/",
    "https://user@example.org/ https://user:word@example.org/ https:///x https:// javascript:alert(1) //example.org/",
    "https://exa%20mple.org:99999/ https://example.org\\@127.0.0.1/ https://exämple.org/ https://ex\x00ample.org/",
    "",
]


@pytest.fixture
def sentinel():
    """A listener on the loopback that counts who came; nobody should."""
    came = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            came.append(self.path)
            if self.path == "/redirect":
                self.send_response(302)
                self.send_header("Location", "http://169.254.169.254/")
                self.end_headers()
            elif self.path == "/slow":
                self.send_response(200)
                self.end_headers()
                for _ in range(100):
                    self.wfile.write(b"x")
                    time.sleep(0.1)
            elif self.path == "/headers-drip":
                for byte in b"HTTP/1.0 200 OK\r\nX: " + b"y" * 1000:
                    self.wfile.write(bytes([byte]))
                    time.sleep(0.1)
            else:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"x" * 100_000)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.came = came
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("url", PRIVATE)
def test_no_private_address_is_asked(url, monkeypatch):
    monkeypatch.setattr(socket, "create_connection", lambda *_: pytest.fail("connected"))

    with pytest.raises(egress.EgressError):
        egress.ask("GET", url)


@pytest.mark.parametrize("url", [url for line in WRONG for url in line.split(" ") if url])
def test_no_other_address_is_asked(url, monkeypatch):
    monkeypatch.setattr(socket, "create_connection", lambda *_: pytest.fail("connected"))

    with pytest.raises(egress.Refused):
        egress.ask("GET", url)


def test_a_name_with_one_private_address_is_refused(monkeypatch):
    answers = [(None, None, None, "", ("93.184.216.34", 443)), (None, None, None, "", ("10.0.0.7", 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers)

    with pytest.raises(egress.Refused, match="private"):
        egress.look_up("https://example.org/")


def test_the_connection_goes_to_the_address_that_was_looked_at(monkeypatch):
    """A resolver that answers differently the second time: the second answer is never asked for."""
    turns = iter(["93.184.216.34", "127.0.0.1"])
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(None, None, None, "", (next(turns), 443))])
    connected = []

    def connect(address, timeout):
        connected.append(address)
        raise OSError("stop here")

    monkeypatch.setattr(socket, "create_connection", connect)

    with pytest.raises(egress.Failed):
        egress.ask("GET", "https://rebinding.example/")

    assert connected == [("93.184.216.34", 443)]


def test_a_listed_address_may_be_private_and_redirects_are_not_followed(sentinel, settings):
    port = sentinel.server_address[1]
    with pytest.raises(egress.Refused):
        egress.ask("GET", f"http://127.0.0.1:{port}/redirect")
    assert sentinel.came == []
    settings.EGRESS_EXTRA = [f"127.0.0.1:{port}"]

    reply = egress.ask("GET", f"http://127.0.0.1:{port}/redirect")

    assert (reply.status, sentinel.came) == (302, ["/redirect"])


def test_size_and_time_are_bounded(sentinel, settings):
    port = sentinel.server_address[1]
    settings.EGRESS_EXTRA = [f"127.0.0.1:{port}"]

    with pytest.raises(egress.Failed, match="more than 65536 bytes"):
        egress.ask("GET", f"http://127.0.0.1:{port}/large")
    assert len(egress.ask("GET", f"http://127.0.0.1:{port}/large", cut=True).body) <= 65536
    for path in ("slow", "headers-drip"):
        began = time.monotonic()
        with pytest.raises(egress.Failed, match="within"):
            egress.ask("GET", f"http://127.0.0.1:{port}/{path}", seconds=0.5)
        assert time.monotonic() - began < 3


def test_a_sink_takes_the_body_piece_by_piece(sentinel, settings):
    port = sentinel.server_address[1]
    settings.EGRESS_EXTRA = [f"127.0.0.1:{port}"]
    pieces = []

    egress.ask("GET", f"http://127.0.0.1:{port}/large", most=200_000, sink=pieces.append)

    assert sum(map(len, pieces)) == 100_000
