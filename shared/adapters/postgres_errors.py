"""What PostgreSQL's errors mean to a caller: the port's errors, never the driver's."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors

from shared.errors import AlreadyExists, InvalidInput, Unavailable, WhetstoneError


class Contended(Unavailable):
    """Another transaction was in the way; the same work done again may go well."""


@contextmanager
def translated() -> Iterator[None]:
    """Raises the port's error where the block raises one of the driver's."""
    try:
        yield
    except (psycopg.Error, UnicodeEncodeError) as error:
        raise meaning(error) from error


def meaning(error: Exception) -> WhetstoneError:
    """Returns the port's error for one of the driver's."""
    if isinstance(error, errors.UniqueViolation):
        return AlreadyExists("a record with this id exists already")
    if isinstance(error, errors.DeadlockDetected | errors.SerializationFailure):
        return Contended("too many write the same records at once; try again")
    if isinstance(error, psycopg.DataError | UnicodeEncodeError):
        return InvalidInput("a value is outside of what the store can hold")
    return Unavailable("the store does not answer now; try again")
