"""Requests to addresses that others gave us: what is never called, and what is cut off."""

import contextlib
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from core import outbound
from core.outbound import NotSent, is_public, send, target_of


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):  # noqa: N802
        self.server.seen.append((self.path, self.headers["Host"]))
        if self.path == "/redirect":
            self.send_response(302)
            self.send_header("Location", "http://169.254.169.254/latest/meta-data")
            self.end_headers()
        elif self.path == "/drip":
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):
                while True:
                    self.wfile.write(b"x")
                    time.sleep(0.05)
        elif self.path == "/short":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"x" * 10)
        else:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"x" * 1000)

    def do_POST(self):  # noqa: N802
        self.server.seen.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def server(settings):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.seen = []
    server.url = f"http://127.0.0.1:{server.server_port}"
    settings.OUTBOUND_ALLOWED = [f"127.0.0.1:{server.server_port}"]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def get(url, **more):
    with send("GET", url, **more) as response:
        return response.status, b"".join(response.pieces())


def test_a_listed_host_is_called(server):
    assert get(f"{server.url}/x?y=1") == (200, b"x" * 1000)
    with send("POST", f"{server.url}/hook", body=b"{}") as response:
        assert response.status == 204
    assert server.seen == [("/x?y=1", server.url.removeprefix("http://")), ("/hook", b"{}")]


def test_redirects_are_not_followed(server):
    assert get(f"{server.url}/redirect")[0] == 302
    assert len(server.seen) == 1


def test_a_large_slow_or_broken_response_is_cut_off(server):
    with pytest.raises(NotSent, match="larger than 999"):
        get(server.url, largest=999)
    with pytest.raises(NotSent, match="broke off"):
        get(f"{server.url}/short")
    began = time.monotonic()
    with pytest.raises(NotSent, match="longer than 0 s"):
        get(f"{server.url}/drip", seconds=0.4)
    assert time.monotonic() - began < 3


def test_a_host_that_never_answers_is_left(settings):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        settings.OUTBOUND_ALLOWED = [f"127.0.0.1:{port}"]
        with pytest.raises(NotSent, match="longer than"):
            get(f"http://127.0.0.1:{port}/", seconds=0.3)


#: Each leads, in one spelling or another, to a place that is not public, or is nothing we call.
CORPUS = """
https://127.0.0.1/ https://127.1/ https://2130706433/ https://0x7f000001/ https://0177.0.0.1/ https://0/ https://0.0.0.0/
https://localhost/ https://localhost./ https://LOCALHOST/ https://10.0.0.1/ https://172.16.0.1/ https://192.168.1.1/
https://169.254.169.254/latest/meta-data https://100.64.0.1/ https://192.0.2.1/ https://198.18.0.1/ https://224.0.0.1/
https://240.0.0.1/ https://255.255.255.255/ https://[::1]/ https://[::]/ https://[::ffff:127.0.0.1]/
https://[::ffff:7f00:1]/ https://[fe80::1]/ https://[fc00::1]/ https://[fd00:ec2::254]/ https://[64:ff9b::7f00:1]/
https://[2002:7f00:1::]/ https://[2001:0:7f00:1::]/ https://[ff02::1]/ https://user@127.0.0.1/ https://user:pw@example.org/
http://example.org/ https://example.org:8443/ https://example.org:22/ ftp://example.org/ file:///etc/passwd
gopher://127.0.0.1:6379/_x javascript:alert(1) https:// https:///x //example.org/ https://[::1 https://exa\x00mple.org/
https://\uff11\uff12\uff17.0.0.1/ https://\u2460\u2461\u2466.0.0.1/ https://127\u30020\u30020\u30021/
""".split()  # noqa: SIM905


@pytest.mark.parametrize("url", CORPUS)
def test_nothing_private_is_called_in_any_spelling(url, monkeypatch):
    monkeypatch.setattr(socket, "create_connection", lambda *args, **kwargs: pytest.fail(f"connected to {args}"))
    with pytest.raises(NotSent):
        get(url)


def test_a_name_that_changes_its_mind_leads_nowhere(monkeypatch):
    answers = iter(["93.184.216.34", "127.0.0.1"])
    connected = []

    def resolve(host, port, **kwargs):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    def connect(address, timeout):
        connected.append(address[0])
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "create_connection", connect)

    with pytest.raises(NotSent, match="could not be reached"):
        get("https://rebind.example/")
    with pytest.raises(NotSent, match="not in the public internet"):
        get("https://rebind.example/")
    assert connected == ["93.184.216.34"]


def test_one_private_address_among_several_is_enough_to_refuse(monkeypatch):
    found = [(2, 1, 6, "", ("93.184.216.34", 443)), (2, 1, 6, "", ("10.0.0.1", 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: found)
    with pytest.raises(NotSent, match="not in the public internet"):
        outbound.vetted_address(target_of("https://two.example/"))


def test_public_addresses_are_public():
    assert all(map(is_public, ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"]))


def test_a_certificate_must_be_valid_for_the_name(settings, tmp_path):
    settings.OUTBOUND_ALLOWED = ["127.0.0.1:1"]
    with pytest.raises(NotSent, match="could not be reached"):
        get("https://127.0.0.1:1/")
