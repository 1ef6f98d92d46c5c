"""A server that ends leaves nothing open, whatever it was just being asked."""

from __future__ import annotations

import gc
import random
import socket
import threading
import time
import warnings
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from tests.servers.openai_server import Reply, ScriptedServer
from tests.servers.vllm_simulator import VllmSimulator

BODY = b'{"model": "m", "messages": [{"role": "user", "content": "1 + 1"}], "stream": true}'
QUESTION = b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY


def scripted() -> ScriptedServer:
    """Answers with more than a client takes that does not read."""
    return ScriptedServer(lambda number, body: Reply(["y" * 200_000] * 20))


@pytest.mark.parametrize("server", [scripted, VllmSimulator])
@pytest.mark.parametrize("said", [b"", QUESTION], ids=["connected", "asked"])
def test_ends_while_clients_connect_and_ask(
    server: Callable[[], ScriptedServer | VllmSimulator], said: bytes
) -> None:
    def connect(port: int, clients: list[socket.socket]) -> None:
        try:
            for _ in range(8):
                clients.append(socket.create_connection(("127.0.0.1", port)))
                clients[-1].sendall(said)
        except OSError:  # the server has ended
            pass

    rng = random.Random(0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        for _ in range(20):
            clients: list[socket.socket] = []
            with server() as serving:
                port = urlsplit(serving.url).port
                thread = threading.Thread(target=connect, args=(port, clients))
                thread.start()
                time.sleep(rng.uniform(0, 0.002))
            thread.join()
            for client in clients:
                client.close()
            del serving
            gc.collect()
    assert [str(warning.message) for warning in caught] == []
