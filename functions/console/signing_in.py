"""Signing in by a one-time link, and out."""

from starlette.responses import RedirectResponse, Response

from functions.console.rendering import render
from shared import bootstrap
from shared.errors import NotAuthenticated
from shared.messages.base import Command, QueryParams
from shared.services import signing_in
from shared.web.pages import PageCall, Pages
from shared.web.session import Session, cookie_out

pages = Pages()

HOME = "/queue"


class SignInParams(QueryParams):
    """What a link to the page may carry."""

    code: str = ""
    next: str = HOME


class SignInForm(Command):
    """What its button sends."""

    code: str
    next: str = HOME


class Empty(Command):
    """A form without fields."""


@pages.get("/", role=None)
async def home(call: PageCall) -> Response:  # noqa: ARG001 -- every handler takes one
    """Sends people to the queue; the queue sends those who are unknown to the sign-in."""
    return RedirectResponse(HOME, 303)


@pages.get("/sign-in", role=None)
async def sign_in_page(call: PageCall) -> Response:
    """Shows whom the link signs in. Only the button does it, so that a preview uses nothing up."""
    params = call.query(SignInParams)
    if not params.code and call.session is not None:
        return RedirectResponse(_local(params.next), 303)
    offer = await signing_in.offered(bootstrap.deps(), params.code) if params.code else None
    proxied = bootstrap.desk().people is not None
    return render(call, "sign_in.html", params=params, offer=offer, proxied=proxied)


@pages.post("/sign-in", role=None)
async def sign_in(call: PageCall) -> Response:
    """Uses the link's code up and opens a session."""
    form, deps = call.form(SignInForm), bootstrap.deps()
    try:
        known = await signing_in.redeem(deps, form.code)
    except NotAuthenticated:
        params = SignInParams(code=form.code, next=form.next)
        return render(call, "sign_in.html", status=401, params=params, offer=None, proxied=False)
    session = Session(known.subject, known.tenant, known.role, deps.ids.secret())
    cookie = cookie_out(bootstrap.desk().sessions.open(session), secure=call.secure)
    return RedirectResponse(_local(form.next), 303, {"set-cookie": cookie})


@pages.post("/sign-out", role="viewer")
async def sign_out(call: PageCall) -> Response:
    """Ends the session in this browser."""
    call.form(Empty)
    cookie = cookie_out("", secure=call.secure)
    return RedirectResponse("/sign-in", 303, {"set-cookie": cookie})


def _local(path: str) -> str:
    """Returns a path of ours, however a link was made up."""
    plain = path.startswith("/") and not path.startswith("//") and path.isprintable()
    return path if plain and "\\" not in path else HOME
