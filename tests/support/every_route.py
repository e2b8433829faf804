"""Every route and every alias of every function, and how tests of all of them ask."""

import re

from shared.cli.serve import apps
from shared.web.aliases import ALIASES
from shared.web.gateway import Gateway
from tests.support.system import System


def every_route():
    """Returns (function, method, path, needs) of every route and every alias."""

    def key(one):
        return one.function, one.our_method or one.method, one.ours

    rows = [
        (app.function, method, path, endpoint.needs)
        for app in apps()
        for (method, path), endpoint in app.endpoints.items()
    ]
    asked = {(function, method, path): need for function, method, path, need in rows}
    aliases = [(one.function, one.method, one.path, asked[key(one)]) for one in ALIASES]
    return rows + aliases


def filled(path: str, value: str = "nobody") -> str:
    return re.sub(r"\{\w+\}", value, path)


async def gateway(system: System, **credential):
    return await system.client(Gateway(apps()), **credential)


async def send(http, function, method, path, headers=None):
    url = f"/functions/{function}{filled(path)}"
    return await http.request(method, url, headers=headers, json={} if method != "GET" else None)


def problem(answer, status):
    assert answer.status_code == status, (answer.request.url, answer.text)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
