"""Requests to addresses that somebody else chose: webhooks, media by URL. Nothing inside our network can be reached.

The host is resolved once, every address it has must be a public one, and the connection goes to the very address that
was looked at (a name that answers differently the second time gains nothing). No redirect is followed, no proxy of the
environment is used; time and size are bounded. `settings.EGRESS_EXTRA` lists `host:port` that may be reached although
they are private or not https: receivers in one's own network, and those of the tests.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 10.0
LARGEST_REPLY = 64 * 1024
CHUNK = 64 * 1024
LONGEST_URL = 2000
#: Global by the book, but they carry an address of another network inside.
CARRIERS = [ipaddress.ip_network(n) for n in ("2002::/16", "2001::/32", "64:ff9b::/96", "64:ff9b:1::/48", "::/96")]


class EgressError(Exception):
    """Why there was no reply, in words for whoever gave the address."""


class Refused(EgressError):
    """This address is never asked; trying again changes nothing."""


class Failed(EgressError):
    """It did not answer as it should; it may the next time."""


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes  # empty when a `sink` took it


@dataclass(frozen=True)
class Target:
    """A parsed address with the one IP to connect to."""

    scheme: str
    host: str
    port: int
    path: str
    ip: str


def ask(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    most: int = LARGEST_REPLY,
    seconds: float = TOTAL_SECONDS,
    plain: bool = False,
    sink: Callable[[bytes], object] | None = None,
    cut: bool = False,
) -> Reply:
    """One request. At most `most` bytes of the reply are read: more is a `Failed`, or left unread with `cut`.

    `plain` allows http on port 80 beside https on 443. `sink` takes the body piece by piece.

    Raises
    ------
    Refused, Failed
    """
    ends_at = time.monotonic() + seconds
    target = look_up(url, plain=plain)
    connection = _Connection(target, timeout=min(CONNECT_SECONDS, seconds))
    # A timeout of the socket starts anew with each byte; this one does not.
    watchdog = threading.Timer(max(0.1, ends_at - time.monotonic()), connection.cut_off)
    watchdog.daemon = True
    watchdog.start()
    try:
        connection.request(method, target.path, body=body, headers=dict(headers or {}))
        response = connection.getresponse()
        reply = Reply(response.status, dict(response.headers.items()), _read(response, most, sink, cut))
        if connection.is_cut:  # what was read so far looks complete where no length was said
            raise TimeoutError
        return reply
    except (OSError, http.client.HTTPException, ValueError) as error:
        if time.monotonic() >= ends_at:
            raise Failed(f"No complete answer within {seconds:.0f} seconds.") from None
        raise Failed(_words(error)) from None
    finally:
        watchdog.cancel()
        connection.close()


def look_up(url: str, *, plain: bool = False) -> Target:
    """Where `url` leads, if it may be asked. Raises `Refused`, or `Failed` when the name has no address now."""
    parts = check_url(url, plain=plain)
    host, port = str(parts.hostname), _port(parts)
    addresses = _resolve(host, port)
    if not _is_extra(host, port):
        for address in addresses:
            if not is_public(address):
                raise Refused("The address lies in a private network.")
    path = parts.path or "/"
    return Target(parts.scheme, host, port, f"{path}?{parts.query}" if parts.query else path, addresses[0])


def check_url(url: str, *, plain: bool = False) -> SplitResult:
    """What can be said of `url` without asking the network. Raises `Refused`."""
    if len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise Refused("Write a plain address of at most 2000 ASCII characters, such as https://example.org/hook.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, _port(parts)
    except ValueError:
        raise Refused("This is no address.") from None
    if not host or parts.scheme not in ("http", "https"):
        raise Refused("Write an address that begins with https://.")
    if parts.username is not None or parts.password is not None:
        raise Refused("Leave name and password out of the address.")
    if _is_extra(host, port):
        return parts
    if (parts.scheme, port) != ("https", 443) and not (plain and (parts.scheme, port) == ("http", 80)):
        raise Refused("Only https on port 443." if not plain else "Only https on port 443 or http on port 80.")
    try:
        literal = ipaddress.ip_address(host)
    except ValueError:
        return parts
    if not is_public(str(literal)):
        raise Refused("The address lies in a private network.")
    return parts


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet, also where it wraps another one."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        elif any(ip in network for network in CARRIERS):
            return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified or ip.is_link_local)


class _Connection(http.client.HTTPConnection):
    """Connects to the address that was looked at, and shows the certificate's name what the URL said."""

    def __init__(self, target: Target, *, timeout: float) -> None:
        super().__init__(target.host, target.port, timeout=timeout)
        self.target = target
        self.is_cut = False
        self.wire: socket.socket | None = None  # `sock` is let go of as soon as a reply without length is read

    def connect(self) -> None:
        sock = socket.create_connection((self.target.ip, self.target.port), self.timeout)
        self.sock = sock
        if self.target.scheme == "https":
            self.sock = _tls().wrap_socket(sock, server_hostname=self.target.host.rstrip("."))
        self.sock.settimeout(TOTAL_SECONDS)
        self.wire = self.sock
        if self.is_cut:
            raise TimeoutError("timed out")

    def cut_off(self) -> None:
        self.is_cut = True
        if self.wire is not None:
            try:
                self.wire.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _read(response: http.client.HTTPResponse, most: int, sink: Callable[[bytes], object] | None, cut: bool) -> bytes:
    pieces, size = [], 0
    while piece := response.read(min(CHUNK, most + 1 - size)):
        size += len(piece)
        if size > most:
            if cut:
                break
            raise Failed(f"The answer has more than {most} bytes.")
        (sink or pieces.append)(piece)
    return b"".join(pieces)


def _resolve(host: str, port: int) -> list[str]:
    """Every address of `host`, in a thread of its own: the system's resolver knows no time limit."""
    found: list[str] = []
    trouble: list[OSError] = []

    def work() -> None:
        try:
            found.extend(str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            trouble.append(error if isinstance(error, OSError) else OSError(str(error)))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(CONNECT_SECONDS)
    if not found:
        raise Failed(f"The name {host} has no address." if trouble else f"The name {host} was not resolved in time.")
    return found


def _port(parts: SplitResult) -> int:
    return parts.port if parts.port is not None else 443 if parts.scheme == "https" else 80


def _is_extra(host: str, port: int) -> bool:
    return f"{host}:{port}" in settings.EGRESS_EXTRA


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return f"The secure connection failed: {error.reason or error}."
    if isinstance(error, TimeoutError):
        return "No connection in time."
    return str(error)[:200] or type(error).__name__
