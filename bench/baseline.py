"""The baseline of the HTTP measurements: an empty FastAPI handler under our server's settings.

`python -m bench.baseline PORT` serves it; uvicorn is set as in shared/cli/serve.py.
"""

import sys

import uvicorn
import uvloop
from fastapi import FastAPI

PATH = "/empty"

app = FastAPI(openapi_url=None)


@app.post(PATH)
async def empty() -> dict[str, str]:
    """Answers at once."""
    return {}


def main() -> None:
    config = uvicorn.Config(
        app,
        port=int(sys.argv[1]),
        access_log=False,
        log_config=None,
        lifespan="off",
        proxy_headers=False,
        server_header=False,
    )
    uvloop.run(uvicorn.Server(config).serve())


if __name__ == "__main__":
    main()
