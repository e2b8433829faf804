"""What the parts of a snapshot have in common: immutable, and figures with six digits."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

DIGITS = 6


def rounded(value: float) -> float:
    """Returns `value` with six digits behind the point, and 0.0 for -0.0."""
    return round(value, DIGITS) + 0.0


Figure = Annotated[float, AfterValidator(rounded)]
"""A number as it is shown and stored: the same on every machine and in every spelling."""


class Learned(BaseModel):
    """A part of a snapshot.

    Unknown fields are ignored, so that the previous version reads the next one's.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)
