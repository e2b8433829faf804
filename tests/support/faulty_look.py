"""One look at the trial that runs, by a process that dies at a step as faulty_server does."""

from shared.cli.running import run
from shared.services.watching_trials import look
from tests.support.faulty_server import wrap_connection
from tests.support.system import WORKSPACE

if __name__ == "__main__":
    wrap_connection()
    run(lambda deps: look(deps, WORKSPACE))
