"""A CONNECT proxy for tools whose endpoint is fixed in their code: Amazon's two names lead to this site."""

from __future__ import annotations

import asyncio
import ssl
import sys
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand

from mturk.certificates import made

LONGEST_HEAD = 16_384
HEAD_SECONDS = 30
#: The other side went away, or talks nonsense.
GONE = (OSError, ssl.SSLError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, ValueError)


class Command(BaseCommand):
    requires_system_checks: list[str] = []
    help = "Leads Amazon's two Mechanical Turk names to this site, and prints the variables that tools need for it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8090, help="0 takes any that is free.")
        parser.add_argument("--host", default="127.0.0.1", help="Where it listens. Whoever reaches it can use it.")
        parser.add_argument(
            "--site", default=settings.SITE_URL, help="Address of the site, such as https://work.example"
        )
        parser.add_argument("--only", action="store_true", help="Refuse every other host instead of passing it on.")

    def handle(self, *args: Any, host: str, port: int, site: str, only: bool, **options: Any) -> None:
        authority, chain = made(Path(settings.DATA_DIR) / "mturk_proxy")

        def ready(port: int) -> None:
            self.stdout.write(f"HTTPS_PROXY=http://{host}:{port}")
            for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"):
                self.stdout.write(f"{name}={authority}")
            self.stdout.flush()

        try:
            asyncio.run(Proxy(site=site, chain=chain, only=only).serve(host, port, ready))
        except KeyboardInterrupt:
            sys.exit(0)


class Proxy:
    def __init__(self, *, site: str, chain: Path, only: bool) -> None:
        parts = urlsplit(site)
        self.site_host = parts.hostname or "127.0.0.1"
        self.is_https = parts.scheme == "https"
        self.site_port = parts.port or (443 if self.is_https else 80)
        self.only = only
        self.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.tls.load_cert_chain(chain)

    async def serve(self, host: str, port: int, ready: Callable[[int], None]) -> None:
        server = await asyncio.start_server(self.client, host, port, limit=LONGEST_HEAD)
        ready(server.sockets[0].getsockname()[1])
        async with server:
            await server.serve_forever()

    async def client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(HEAD_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
            method, target, *_ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
            name, _, port = target.rpartition(":")
            if method != "CONNECT" or not port.isdecimal():
                return await self.refuse(writer, "405 Only CONNECT")
            await self.connect(reader, writer, name.lower(), int(port))
        except (
            OSError,
            ssl.SSLError,
            asyncio.IncompleteReadError,
            asyncio.LimitOverrunError,
            TimeoutError,
            ValueError,
        ):
            pass  # the other side went away, or talked nonsense: nobody is there to be told
        finally:
            writer.close()

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str, port: int) -> None:
        is_ours = name in settings.AMAZON_HOSTS and port == 443
        if not is_ours and self.only:
            await self.refuse(writer, "403 Not this host")
            return
        if is_ours:
            # The request is passed on byte by byte: what was signed, Host among it, is what the site checks.
            context = ssl.create_default_context() if self.is_https else None
            far_reader, far_writer = await asyncio.open_connection(self.site_host, self.site_port, ssl=context)
        else:
            far_reader, far_writer = await asyncio.open_connection(name, port)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await writer.drain()
        if is_ours:
            await writer.start_tls(self.tls)
        await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))

    async def refuse(self, writer: asyncio.StreamWriter, status: str) -> None:
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while content := await reader.read(65_536):
            writer.write(content)
            await writer.drain()
    except (OSError, ssl.SSLError):
        pass
    finally:
        writer.close()
