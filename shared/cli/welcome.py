"""What `whetstone serve` prints when it is ready: where to look, the first key, and what to try."""

import shlex
from pathlib import Path

_JSON = "-H 'Content-Type: application/json'"
_ENTRY = (
    '{"topic":"billing","content":"Invoices can be reissued within 30 days.",'
    '"confidence_score":0.9,"submitter":"support-agent"}'
)
_PROMPT = '{"prompt":"Write a Python function that reverses a list."}'

_USUAL_URL = "http://127.0.0.1:8080"
_USUAL_DATA = Path("data")


def welcome(
    url: str, data_dir: Path, shown: str | None, *, given: bool = False, code: str = ""
) -> str:
    """Returns the text.

    Args:
        url: of the server, without a slash at the end.
        data_dir: where data is kept.
        shown: the first API key, at the first start only.
        given: whether the settings name the key.
        code: signs in to the console once; where left out, nothing is said of it.
    """
    name = "WHETSTONE_BOOTSTRAP_API_KEY" if given else "WHETSTONE_API_KEY"
    key = f"'X-API-Key: {shown}'" if shown else f'"X-API-Key: ${name}"'
    command = _command(data_dir)
    lines = [
        "",
        f"Whetstone is ready at {url}",
        *([f"  console            {url}/sign-in?code={code}", _once(command, url)] if code else []),
        f"  API documentation  {url}/docs",
        f"  health             {url}/health",
        f"  data               {data_dir.resolve()}",
        "",
        *_key_lines(shown, command, given=given),
        "",
        "Try it:",
        f"  curl {url}/v1/entries -H {key} {_JSON} -d '{_ENTRY}'",
        f"  curl {url}/v1/approvals -H {key}",
        f"  curl {url}/v1/route -H {key} {_JSON} -d '{_PROMPT}'",
        "",
    ]
    return "\n".join(lines)


def _command(data_dir: Path) -> str:
    """Returns how the `whetstone` command is called on the data that the server works on."""
    called = ".venv/bin/whetstone"
    if data_dir.resolve() == _USUAL_DATA.resolve():
        return called
    return f"WHETSTONE_DATA_DIR={shlex.quote(str(data_dir))} {called}"


def _once(command: str, url: str) -> str:
    at = "" if url == _USUAL_URL else f" --url {url}"
    return (
        f"                     (works once, for ten minutes; another: {command} token --link"
        f" --subject NAME --role reviewer{at})"
    )


def _key_lines(shown: str | None, command: str, *, given: bool) -> list[str]:
    if given:
        return ["The API key is the one in WHETSTONE_BOOTSTRAP_API_KEY."]
    if shown:
        return [f"Your first API key, shown only now:  {shown}"]
    return [
        "Keys were made before; for another one, in a second terminal:",
        f"  {command} key create --name mine --scope admin",
    ]
