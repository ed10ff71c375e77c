"""The product as a server: `python -m bench.load.product PORT FOLDER LOG`, its functions' environment on its input.

The local stack's gateway and workers (local/gateway.py, local/lambdas.py) on a ledger of the bench; without the queue,
whose poller would take processor time from what is measured. It leaves at the end of its input.
"""

import asyncio
import json
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.load import WORKERS
from local.gateway import Gateway, Server
from local.identity import Identity
from local.lambdas import Lambdas
from local.processes import listen_on
from local.stack import GATEWAY_THREADS
from local.template import Template


def main(port: int, state: Path, log: Path, environment: Mapping[str, str]) -> None:
    """Serve the template's routes until the input ends."""
    template = Template()
    called = {name: function for name, function in template.functions.items() if function.events}
    lambdas = Lambdas(called, dict.fromkeys(called, environment), log, concurrency=WORKERS)
    with listen_on(port) as listener, ThreadPoolExecutor(GATEWAY_THREADS) as executor:
        gateway = Gateway(template.routes, template.audience, Identity(state, 0), lambdas.invoke, executor)
        server = Server(gateway)
        threading.Thread(target=_stop_at_the_end_of_input, args=(server,), daemon=True).start()
        try:
            asyncio.run(server.serve(sockets=[listener]))
        finally:
            lambdas.stop()


def _stop_at_the_end_of_input(server: Server) -> None:
    sys.stdin.read()
    server.should_exit = True


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), json.loads(sys.stdin.readline()))
