"""How fast and how well this process answers, from what it counted of its own requests."""

from collections.abc import Mapping

from shared.domain.times import Timestamp
from shared.domain.traffic import Traffic, total
from shared.messages.monitoring import PerformanceView, RoutePerformance, SearchPerformance

RouteKey = tuple[str, str, str]
"""Function, method, route."""

SearchKey = tuple[str, bool]
"""Tier, and whether anything was found."""


def performance(
    since: Timestamp, routes: Mapping[RouteKey, Traffic], searches: Mapping[SearchKey, Traffic]
) -> PerformanceView:
    """Returns the figures of each route that was asked and each search tier that answered."""
    return PerformanceView(
        since=since,
        routes=[_route(key, one) for key, one in sorted(routes.items()) if one.requests],
        search_tiers=[_tier(name, searches) for name in sorted({tier for tier, _ in searches})],
    )


def _route(key: RouteKey, traffic: Traffic) -> RoutePerformance:
    function, method, route = key
    return RoutePerformance(
        function=function,
        method=method,
        route=route,
        requests=traffic.requests,
        error_share=round(traffic.error_share, 6),
        p50_ms=_ms(traffic, 0.50),
        p95_ms=_ms(traffic, 0.95),
        p99_ms=_ms(traffic, 0.99),
    )


def _tier(tier: str, searches: Mapping[SearchKey, Traffic]) -> SearchPerformance:
    parts = [one for (name, _), one in searches.items() if name == tier]
    whole = total(parts) or parts[0]
    hits = searches[tier, True].requests if (tier, True) in searches else 0
    return SearchPerformance(
        tier=tier,
        searches=whole.requests,
        hit_rate=round(hits / whole.requests, 6) if whole.requests else 0.0,
        p50_ms=_ms(whole, 0.50),
        p95_ms=_ms(whole, 0.95),
        p99_ms=_ms(whole, 0.99),
    )


def _ms(traffic: Traffic, share: float) -> float | None:
    seconds = traffic.quantile_s(share)
    return None if seconds is None else round(seconds * 1000, 3)
