"""A TCP proxy with a fixed delay each way, which counts round trips. A process of its own: `python -m bench.proxy`.

It prints the port it listens on. A round trip begins when the client speaks after the server has spoken, or first.
A line on its standard input asks for the count, which begins anew; the end of the input ends it.
"""

import selectors
import socket
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, field

CHUNK = 1 << 16


@dataclass
class Trips:
    """How often clients waited for an answer."""

    count: int = 0


@dataclass
class Pipe:
    """One direction of a connection: what was read waits for its time, then is sent."""

    source: socket.socket
    target: socket.socket
    waiting: deque[tuple[float, bytes]] = field(default_factory=deque)


def relay(client: socket.socket, server: socket.socket, delay: float, trips: Trips) -> None:
    """Copy both ways until one side closes; each piece is `delay` seconds on its way."""
    pipes = (Pipe(client, server), Pipe(server, client))
    client_spoke_last = False
    # select(), because epoll counts its timeouts in whole milliseconds.
    with client, server, selectors.SelectSelector() as selector:
        for pipe in pipes:
            pipe.source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(pipe.source, selectors.EVENT_READ, pipe)
        while True:
            due = min((pipe.waiting[0][0] for pipe in pipes if pipe.waiting), default=None)
            wait = None if due is None else max(0.0, due - time.perf_counter())
            for key, _ in selector.select(wait):
                pipe = key.data
                data = pipe.source.recv(CHUNK)
                if not data:
                    return
                if pipe is pipes[0] and not client_spoke_last:
                    trips.count += 1
                client_spoke_last = pipe is pipes[0]
                pipe.waiting.append((time.perf_counter() + delay, data))
            now = time.perf_counter()
            for pipe in pipes:
                while pipe.waiting and pipe.waiting[0][0] <= now:
                    pipe.target.sendall(pipe.waiting.popleft()[1])


def accept(listener: socket.socket, target: tuple[str, int], delay: float, trips: Trips) -> None:
    """Serve every client in a thread of its own."""
    while True:
        client, _ = listener.accept()
        server = socket.create_connection(target)
        threading.Thread(target=relay, args=(client, server, delay, trips), daemon=True).start()


def main() -> None:
    """Listen, say where, and answer with counts."""
    host, port, delay = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    trips = Trips()
    with socket.create_server((host, 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        threading.Thread(target=accept, args=(listener, (host, port), delay, trips), daemon=True).start()
        for _ in sys.stdin:
            print(trips.count, flush=True)
            trips.count = 0


if __name__ == "__main__":
    main()
