"""What makes an app a Cloud Function: the target that functions-framework looks for.

    submit = cloud_function(app, bootstrap.start)

The framework (and Flask with it) is imported only where it runs the function; the local server and
the tests, which mount the app itself, start in half the time.
"""

import sys
from collections.abc import Awaitable, Callable

from starlette.convertors import PathConvertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response

from shared.web.app import Api

Target = Callable[[Request], Awaitable[Response]]


class _AnyPath(PathConvertor):
    """Any path, also one with a line break in it, which the framework's own route leaves out."""

    regex = "(?s:.*)"


def cloud_function(app: Api, start: Callable[[], object]) -> Target:
    """Returns the target of a function, registered with the framework where that is running.

    The framework hands a request to whatever ASGI app the target returns; its name is the app's.

    Args:
        app: the function's.
        start: what is done once where the framework runs, before any request: what it raises ends
            the start. It connects to nothing, as the framework may fork afterwards.
    """

    async def target(request: Request) -> Response:  # noqa: ARG001 -- the app reads the scope
        return app.as_answer()

    target.__name__ = target.__qualname__ = app.function
    if "functions_framework" not in sys.modules:
        return target
    import functions_framework.aio  # noqa: PLC0415

    register_url_convertor("path", _AnyPath())  # the framework's route, made after this, asks it
    functions_framework.aio.http(target)
    start()
    return target
