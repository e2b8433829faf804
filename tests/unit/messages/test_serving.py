import pytest
from pydantic import ValidationError

from shared.messages.serving import CompleteRequest, RouteRequest
from shared.messages.serving_reading import MetricsParams, SearchRequest


def parsed(text):
    return RouteRequest.model_validate_json(text)


def places(error):
    return [problem["loc"] for problem in error.value.errors()]


def test_the_provider_of_a_candidate_ends_at_the_first_slash():
    [one] = parsed('{"prompt": "a", "candidates": ["router/meta/llama"]}').candidates
    assert (one.provider, one.model) == ("router", "meta/llama")
    assert (one.usd_per_m_input, one.usd_per_m_output) == (None, None)


@pytest.mark.parametrize(
    "candidate", ['"alone"', '""', "7", "null", "[]", '"/m"', '"p/"', '{"provider": "a"}']
)
def test_a_candidate_that_names_no_model_is_refused_by_its_place(candidate):
    with pytest.raises(ValidationError) as error:
        parsed(f'{{"prompt": "a", "candidates": ["a/b", {candidate}]}}')
    assert places(error)[0][:2] == ("candidates", 1)


@pytest.mark.parametrize("price", ["-0.1", "NaN", '"1"', "1e999", "10001"])
def test_prices_are_numbers_from_zero_to_what_no_model_costs(price):
    body = f'{{"provider": "a", "model": "b", "usd_per_m_input": {price}}}'
    with pytest.raises(ValidationError):
        parsed(f'{{"prompt": "a", "candidates": [{body}]}}')


@pytest.mark.parametrize(
    ("pattern", "good"),
    [("code", True), ("my.own_pattern-2", True), ("x" * 64, True)]
    + [(bad, False) for bad in ("", "Code", "a b", "x" * 65, "-a", "ä", "a\n")],
)
def test_patterns_are_short_plain_names(pattern, good):
    if good:
        assert RouteRequest(prompt="a", pattern=pattern).pattern == pattern
        return
    with pytest.raises(ValidationError) as error:
        RouteRequest(prompt="a", pattern=pattern)
    assert places(error) == [("pattern",)]


@pytest.mark.parametrize("many", [100, 101])
def test_at_most_a_hundred_candidates_are_taken(many):
    body = {"prompt": "a", "candidates": [f"p/m{at}" for at in range(many)]}
    if many == 100:
        assert len(RouteRequest.model_validate(body).candidates) == many
        return
    with pytest.raises(ValidationError) as error:
        RouteRequest.model_validate(body)
    assert places(error) == [("candidates",)]


@pytest.mark.parametrize(
    ("field", "low", "high", "step"),
    [("temperature", 0.0, 2.0, 0.1), ("top_p", 0.0, 1.0, 0.1), ("max_tokens", 1, 1_000_000, 1)],
)
def test_sampling_options_have_their_ranges(field, low, high, step):
    for good in (low, high):
        assert getattr(CompleteRequest(prompt="a", **{field: good}), field) == good
    for bad in (low - step, high + step):
        with pytest.raises(ValidationError) as error:
            CompleteRequest(prompt="a", **{field: bad})
        assert places(error) == [(field,)]


@pytest.mark.parametrize("window", ["1m", "90m", "24h", "999d"])
def test_windows_are_a_number_and_a_unit(window):
    assert MetricsParams(window=window).window == window


@pytest.mark.parametrize("window", ["", "h", "0h", "01h", "1000d", "1w", "-1h", "1h\n", "1 h"])
def test_other_windows_are_refused(window):
    with pytest.raises(ValidationError):
        MetricsParams(window=window)


def test_a_search_has_bounds():
    assert SearchRequest(text="a").limit == 10
    for bad in ({"limit": 0}, {"limit": 51}, {"text": " "}, {"text": "a" * 10_001}):
        with pytest.raises(ValidationError):
            SearchRequest(**{"text": "a", **bad})


@pytest.mark.parametrize("model", [RouteRequest, CompleteRequest])
def test_an_empty_list_of_candidates_is_refused_with_what_to_do(model):
    with pytest.raises(ValidationError) as error:
        model.model_validate({"prompt": "a", "candidates": []})
    assert places(error) == [("candidates",)]
    assert "leave it out for the whole catalogue" in str(error.value)
    assert model.model_validate({"prompt": "a", "candidates": None}).candidates is None
