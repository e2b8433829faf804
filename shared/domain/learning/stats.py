"""The statistics that decisions rest on: bounds, tests and error control.

Sizes are effective sizes and may be fractional. Degrees of freedom are rounded down, which errs on
the side of caution and lets quantiles be looked up. Only the standard library is used, so that a
function starts fast. Nothing here knows what the numbers mean.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import NamedTuple

_NORMAL = NormalDist()
_LARGE_DF = 1000
"""From here on Student's t is taken as normal (quantiles differ by less than 0.3 %)."""

_TINY = 1e-300


@lru_cache(maxsize=64)
def normal_quantile(level: float) -> float:
    """Returns z with P(Z <= z) = level; `level` in (0, 1)."""
    return _NORMAL.inv_cdf(level)


def wilson(successes: float, n: float, level: float) -> tuple[float, float]:
    """Returns the lower and upper bound of a share, each of them one-sided at `level`.

    Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).
    Good at small n and at shares of 0 and 1, where the textbook interval has no width. (0, 1) where
    there is no evidence.

    Args:
        successes: in 0..n; need not be whole.
        n: effective size.
        level: one-sided confidence, 0.5..1.
    """
    if n <= 0:
        return 0.0, 1.0
    z = normal_quantile(level)
    share = min(1.0, max(0.0, successes / n))
    scale = 1 + z * z / n
    middle = (share + z * z / (2 * n)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def effective_size(weights: int, weights_squared: int) -> float:
    """Returns (sum of w)**2 / sum of w**2: how many equally weighted rows would be as precise.

    Kish, "Survey Sampling" (1965). Does not change when all weights are multiplied alike; 0 where
    there is none.
    """
    if weights <= 0 or weights_squared <= 0:
        return 0.0
    return weights * weights / weights_squared


class Sample(NamedTuple):
    """A mean and how sure it is: effective size `n` > 0, and the variance of one observation."""

    n: float
    mean: float
    variance: float

    @property
    def standard_error(self) -> float:
        """The standard deviation of the mean."""
        return math.sqrt(self.variance / self.n)

    def lower(self, level: float) -> float:
        """Returns the one-sided lower bound of the mean by Student's t, n degrees of freedom."""
        return self.mean - t_quantile(level, self.n) * self.standard_error

    def upper(self, level: float) -> float:
        """Returns the one-sided upper bound of the mean by Student's t, n degrees of freedom."""
        return self.mean + t_quantile(level, self.n) * self.standard_error


def sample(n: float, mean: float, variance: float, prior_variance: float) -> Sample:
    """Returns a sample whose variance is not fooled by a few equal values.

    The variance is the posterior scale of a normal model with one prior observation of variance
    `prior_variance` (scaled inverse chi-squared; Gelman et al., "Bayesian Data Analysis", 3rd ed.,
    section 2.6): (n * variance + prior_variance) / n, with n degrees of freedom. So a constant
    sample still has a width, which shrinks as 1/n.

    Args:
        n: effective size, above 0.
        mean: the observed mean.
        variance: the observed mean squared deviation (divided by n, not n - 1).
        prior_variance: what the spread is thought to be before anything is seen, in the data's
            units squared.
    """
    return Sample(n, mean, max(0.0, variance) + prior_variance / n)


class WelchTest(NamedTuple):
    """`difference` = first mean - second mean."""

    difference: float
    standard_error: float
    df: float

    @property
    def p_value(self) -> float:
        """What so large a difference would have as its chance if it were not above 0."""
        if self.standard_error == 0:
            return 0.0 if self.difference > 0 else 1.0
        return t_tail(self.difference / self.standard_error, self.df)

    def lower(self, level: float) -> float:
        """Returns the one-sided lower bound of the difference."""
        return self.difference - t_quantile(level, self.df) * self.standard_error


def welch(first: Sample, second: Sample) -> WelchTest:
    """Returns the one-sided test that `first` has the larger mean, variances unequal.

    Welch, "The generalization of Student's problem when several different population variances are
    involved", Biometrika 34 (1947); degrees of freedom after Satterthwaite (1946).
    """
    a, b = first.variance / first.n, second.variance / second.n
    difference, error = first.mean - second.mean, math.sqrt(a + b)
    if error == 0:
        return WelchTest(difference, 0.0, _LARGE_DF)
    spread = a * a / max(1.0, first.n - 1) + b * b / max(1.0, second.n - 1)
    return WelchTest(difference, error, (a + b) ** 2 / spread)


@dataclass(frozen=True, slots=True)
class RegressionSums:
    """Exact weighted sums over points (x, y): `wxy` is the sum of w*x*y, `wwx` that of w*w*x."""

    w: int
    wx: int
    wxx: int
    wy: int
    wxy: int
    wyy: int
    ww: int
    wwx: int
    wwxx: int


@dataclass(frozen=True, slots=True)
class SlopeTest:
    """A fitted slope, y per x, with its two-sided interval; `p_value` under "it is 0"."""

    slope: float
    low: float
    high: float
    p_value: float
    n: float


def slope_test(sums: RegressionSums, alpha: float) -> SlopeTest | None:
    """Returns the weighted least-squares slope and its test; None where no line can be fitted.

    Weights say how much a point matters, not how precise it is, so the variance of the slope is s2
    * sum(w**2 (x - mean)**2) / (sum(w (x - mean)**2))**2: the slope is a weighted sum of the y,
    whose errors are taken as independent and of equal variance s2, the weighted mean squared
    residual times n / (n - 2), n the effective size. Formed from exact whole numbers, so that large
    x lose no digits.

    Args:
        sums: see RegressionSums.
        alpha: the interval covers 1 - alpha.
    """
    n = effective_size(sums.w, sums.ww)
    xx = sums.w * sums.wxx - sums.wx**2
    if n <= 2 or xx <= 0:  # noqa: PLR2004 - a line takes two points
        return None
    xy = sums.w * sums.wxy - sums.wx * sums.wy
    yy = sums.w * sums.wyy - sums.wy**2
    residual = (yy * xx - xy * xy) / (xx * sums.w**2) * n / (n - 2)
    leverage = sums.w**2 * sums.wwxx - 2 * sums.w * sums.wx * sums.wwx + sums.wx**2 * sums.ww
    error = math.sqrt(max(0.0, residual) * (leverage / xx**2))
    slope = xy / xx
    half = t_quantile(1 - alpha / 2, n - 2) * error
    p_value = min(1.0, 2 * t_tail(abs(slope) / error, n - 2)) if error > 0 else float(slope == 0)
    return SlopeTest(slope, slope - half, slope + half, p_value, n)


def benjamini_hochberg(p_values: Sequence[float], q: float) -> list[bool]:
    """Returns which hypotheses to reject.

    At most a share `q` of the rejected is expected to be false alarms. Benjamini, Hochberg,
    "Controlling the false discovery rate", JRSS B 57 (1995): the largest k with p(k) <= k/m * q,
    and all smaller ones. Same order as `p_values`.
    """
    bar, count = -1.0, len(p_values)
    for rank, p_value in enumerate(sorted(p_values), start=1):
        if p_value <= rank / count * q:
            bar = p_value
    return [p_value <= bar for p_value in p_values]


def binomial_tail(successes: float, n: float, share: float) -> float:
    """Returns P(X >= successes) for X binomial(n, share), continued to fractional arguments.

    By the regularised incomplete beta function I_share(successes, n - successes + 1) (DLMF 8.17.5).
    """
    if successes <= 0 or share >= 1:
        return 1.0
    if share <= 0:
        return 0.0
    return incomplete_beta(successes, max(n - successes, 0.0) + 1, share)


def t_tail(t: float, df: float) -> float:
    """Returns P(T > t) of Student's t, by the incomplete beta function (DLMF 8.17)."""
    if df > _LARGE_DF:
        return _NORMAL.cdf(-t)
    tail = 0.5 * incomplete_beta(df / 2, 0.5, df / (df + t * t))
    return tail if t >= 0 else 1 - tail


def t_quantile(level: float, df: float) -> float:
    """Returns t with P(T <= t) = level in [0.5, 1), for `df` rounded down, at least 1."""
    if df > _LARGE_DF:
        return normal_quantile(level)
    return _t_quantile(level, max(1, math.floor(df)))


@lru_cache(maxsize=4096)
def _t_quantile(level: float, df: int) -> float:
    """Bisects on the tail: the quantile lies between the normal one and the Cauchy one (df 1)."""
    low, high = normal_quantile(level), math.tan(math.pi * (level - 0.5))
    for _ in range(60):
        middle = (low + high) / 2
        if high - low < 1e-10 * max(1.0, high):
            break
        low, high = (middle, high) if t_tail(middle, df) > 1 - level else (low, middle)
    return (low + high) / 2


def incomplete_beta(a: float, b: float, x: float) -> float:
    """Returns the regularised incomplete beta function I_x(a, b) for a, b > 0 and x in 0..1."""
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta_left(b, a, 1 - x)
    return _beta_left(a, b, x)


def _beta_left(a: float, b: float, x: float) -> float:
    """Returns I_x(a, b) for x left of about the mean, where the fraction converges fast."""
    log_front = (
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    return math.exp(log_front) / a * _beta_fraction(a, b, x)


def _beta_fraction(a: float, b: float, x: float) -> float:
    """Evaluates the continued fraction DLMF 8.17.22 by the modified method of Lentz."""
    c, d = 1.0, 1 / _away_from_zero(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, 1000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / _away_from_zero(1 + term * d)
            c = _away_from_zero(1 + term / c)
            value *= c * d
        if abs(c * d - 1) < 1e-14:  # noqa: PLR2004 - about the precision of a double
            break
    return value


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
