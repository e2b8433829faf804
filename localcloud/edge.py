"""The front of the local cloud: `python -m localcloud.edge PLAN`.

One port is the load balancer's: it sends each path to its function, by the same table as the
embedded server. A second one, which only the Pub/Sub emulator knows, takes its pushes: the emulator
sends no OIDC token, so the one that Pub/Sub would send is put on here.
"""

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import uvicorn

from localcloud import plan
from localcloud.forwarding import Receive, Scope, Send, Upstream
from localcloud.process import HOST
from localcloud.tokens import TokenSource
from shared.cli.serve import KEEP_ALIVE_S, apps
from shared.web.gateway import Gateway

GRACE_S = 5


class Pushes:
    """Puts Pub/Sub's token on requests.

    Args:
        gateway: where they go on.
        tokens: gives the token.
    """

    def __init__(self, gateway: Gateway[Upstream], tokens: TokenSource) -> None:
        self._gateway = gateway
        self._tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one push with what the function answers."""
        if scope["type"] == "http":
            token = f"Bearer {await self._tokens.token()}".encode()
            others = [(name, value) for name, value in scope["headers"] if name != b"authorization"]
            scope = {**scope, "headers": [*others, (b"authorization", token)]}
        await self._gateway(scope, receive, send)


class _Server(uvicorn.Server):
    """Leaves signals to the program: two servers share them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Does nothing."""
        yield


def _server(app: Callable[..., Awaitable[None]], port: int) -> _Server:
    return _Server(
        uvicorn.Config(
            app,
            host=HOST,
            port=port,
            access_log=False,
            log_level="warning",
            lifespan="off",
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=GRACE_S,
        )
    )


async def serve(chosen: plan.Plan) -> None:
    """Runs both ports until a signal ends them."""
    upstreams = [
        Upstream(app.function, chosen.functions[app.function], app.paths) for app in apps()
    ]
    gateway, tokens = Gateway(upstreams), TokenSource(chosen.issuer_url)
    servers = [
        _server(gateway, chosen.port),
        _server(Pushes(gateway, tokens), chosen.push_port),
    ]

    def end() -> None:
        for server in servers:
            server.should_exit = True

    for one in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(one, end)
    await asyncio.gather(*(server.serve() for server in servers))
    for upstream in upstreams:
        await upstream.close()


if __name__ == "__main__":
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    asyncio.run(serve(plan.read(Path(sys.argv[1]))))
