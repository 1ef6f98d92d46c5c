"""HTTP/1.1 over a real socket, in every cutting, and what is no HTTP."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from curate.engines.http1 import HttpError, Pool

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\ndata\r\nA;x=1\r\n: 0123456\n\r\n0\r\n\r\n"


@asynccontextmanager
async def serving(
    answer: Callable[[int, bytes], list[bytes]],
    *,
    pause_s: float = 0.0,
    closes: bool = False,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that answers request n with those pieces; the requests that it got."""
    got: list[bytes] = []
    writers: list[asyncio.StreamWriter] = []
    connections = 0

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        writers.append(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
                got.append(b"%d " % connections + head + await reader.readexactly(length))
                for piece in answer(len(got) - 1, got[-1]):
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(pause_s)
                if closes:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    async with server:
        port = server.sockets[0].getsockname()[1]
        try:
            yield f"http{'s' if tls else ''}://127.0.0.1:{port}/v1/x", got
        finally:
            for writer in writers:
                writer.transport.abort()
            await asyncio.sleep(0.05)  # the loop closes them


async def ask(pool: Pool, url: str, body: bytes = b"{}") -> tuple[int, bytes]:
    async with await pool.request("POST", url, body, {"Authorization": "Bearer k"}) as response:
        return response.status, await response.read()


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        pytest.param(OK + b"Content-Length: 4\r\n\r\ndata", b"data", id="length"),
        pytest.param(OK + b"content-length:0\r\n\r\n", b"", id="nothing"),
        pytest.param(CHUNKED, b"data: 0123456\n", id="chunked"),
        pytest.param(
            CHUNKED.replace(b"0\r\n\r\n", b"0\r\nX: y\r\n\r\n"), b"data: 0123456\n", id="trailer"
        ),
        pytest.param(
            b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\nok", b"ok", id="100"
        ),
    ],
)
@pytest.mark.parametrize("step", [1, 3, 10_000])
def test_any_cutting_gives_the_body_and_keeps_the_connection(
    answer: bytes, body: bytes, step: int
) -> None:
    pieces = [answer[i : i + step] for i in range(0, len(answer), step)]

    async def run() -> None:
        async with serving(lambda n, request: pieces) as (url, got), Pool() as pool:
            for _ in range(3):
                assert await ask(pool, url) == (200, body)
            assert [request[:2] for request in got] == [b"1 "] * 3, "one connection"
            assert b"Authorization: Bearer k\r\n" in got[0] and got[0].endswith(b"\r\n\r\n{}")

    asyncio.run(run())


def test_without_a_length_the_end_of_the_connection_ends_it() -> None:
    async def run() -> None:
        answer = [OK + b"\r\n", b"da", b"ta"]
        async with serving(lambda n, r: answer, closes=True) as (url, got), Pool() as pool:
            assert await ask(pool, url) == await ask(pool, url) == (200, b"data")
            assert [request[:2] for request in got] == [b"1 ", b"2 "]

    asyncio.run(run())


def test_a_kept_connection_that_was_closed_is_replaced() -> None:
    async def run() -> None:
        answer = [OK + b"Content-Length: 1\r\n\r\nx"]
        async with serving(lambda n, r: answer, closes=True) as (url, got), Pool() as pool:
            for _ in range(5):
                assert await ask(pool, url) == (200, b"x")
            assert len(got) == 5

    asyncio.run(run())


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"SSH-2.0-OpenSSH\r\n\r\n", id="another protocol"),
        pytest.param(b"\x00" * 100_000, id="no end"),
        pytest.param(OK + b"no colon\r\n\r\n", id="header"),
        pytest.param(OK + b"Content-Length: four\r\n\r\ndata", id="length"),
        pytest.param(OK + b"Content-Length: 10\r\n\r\ndata", id="short"),
        pytest.param(OK + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", id="chunk length"),
        pytest.param(OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", id="chunk end"),
        pytest.param(OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nda", id="chunk cut"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_what_is_no_answer_is_an_error(answer: bytes) -> None:
    async def run() -> None:
        async with serving(lambda n, r: [answer], closes=True) as (url, _), Pool() as pool:
            with pytest.raises(HttpError):
                await ask(pool, url)

    asyncio.run(run())


def test_leaving_early_closes_the_connection() -> None:
    async def run() -> None:
        pieces = [OK + b"Content-Length: 4000\r\n\r\n", *[b"x" * 100] * 40]
        async with serving(lambda n, r: pieces, pause_s=0.02) as (url, got), Pool() as pool:
            async with await pool.request("POST", url) as response:
                assert (await anext(aiter(response)))[:1] == b"x"
            assert (await ask(pool, url))[1] == b"x" * 4000
            assert [request[:2] for request in got] == [b"1 ", b"2 "]

    asyncio.run(run())


def test_a_slow_reader_slows_the_server() -> None:
    async def run() -> None:
        sent = 0

        def answer(number: int, request: bytes) -> list[bytes]:
            return Counted([OK + b"\r\n", *[b"x" * (1 << 20)] * 64])

        class Counted(list[bytes]):
            def __iter__(self):
                nonlocal sent
                for piece in list.__iter__(self):
                    sent += len(piece)
                    yield piece

        async with serving(answer, closes=True) as (url, _), Pool() as pool:
            async with await pool.request("POST", url) as response:
                await asyncio.sleep(0.5)
                assert sent < 32 << 20
                length = sum([len(data) async for data in response])
            assert length == 64 << 20

    asyncio.run(run())


def test_nobody_there_is_an_oserror() -> None:
    async def run() -> None:
        async with Pool(connect_s=0.5) as pool:
            with pytest.raises(ConnectionRefusedError):
                await ask(pool, "http://127.0.0.1:1/v1/x")

    asyncio.run(run())


def test_tls_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not shutil.which("openssl"):
        pytest.skip("no openssl command to make a certificate with")
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    words = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=x"
    words += " -addext subjectAltName=IP:127.0.0.1 -keyout"
    command = [*words.split(), str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def run() -> None:
        answer = [OK + b"Content-Length: 4\r\n\r\ndata"]
        async with serving(lambda n, r: answer, tls=context) as (url, _):
            async with Pool() as pool:
                with pytest.raises(ssl.SSLCertVerificationError):
                    await ask(pool, url)
            monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
            async with Pool() as pool:
                assert await ask(pool, url) == (200, b"data")

    asyncio.run(run())
