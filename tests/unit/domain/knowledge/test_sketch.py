"""Near duplicates: texts that are alike share a band as often as the theory says."""

import random

import pytest

from shared.domain.knowledge import sketch

WORDS = [f"word{number}" for number in range(3000)]


def pair(rng: random.Random, similarity: float) -> tuple[str, str]:
    """Returns two texts of 80 words whose triples overlap by about `similarity`."""
    first = rng.choices(WORDS, k=80)
    kept = round(78 * 2 * similarity / (1 + similarity)) + 2
    second = first[:kept] + rng.choices(WORDS, k=80 - kept)
    return " ".join(first), " ".join(second)


def share_a_band(first: str, second: str) -> bool:
    return not set(sketch.bands(first)).isdisjoint(sketch.bands(second))


@pytest.mark.parametrize("similarity", [0.9, 0.8, 0.7, 0.5, 0.3])
def test_bands_are_shared_as_often_as_the_theory_says(similarity: float) -> None:
    rng = random.Random(7)
    pairs = [pair(rng, similarity) for _ in range(1500)]
    found = sum(share_a_band(*one) for one in pairs) / len(pairs)
    real = sum(sketch.similarity(*one) for one in pairs) / len(pairs)
    expected = 1 - (1 - real**sketch.BAND_VALUES) ** sketch.BANDS
    assert found == pytest.approx(expected, abs=0.05)


def test_unrelated_texts_share_no_band() -> None:
    rng = random.Random(8)
    texts = [" ".join(rng.choices(WORDS, k=40)) for _ in range(200)]
    bands = [band for text in texts for band in sketch.bands(text)]
    assert len(set(bands)) == len(bands) == 200 * sketch.BANDS


def test_case_and_spacing_make_no_difference() -> None:
    assert sketch.bands("Pay the  invoice\nNOW please") == sketch.bands(
        "pay the invoice now please"
    )
    assert sketch.similarity("Pay the invoice", "pay  THE invoice") == 1.0


@pytest.mark.parametrize("text", ["one", "one two", "é", "\u2028", "  spaced  "])
def test_texts_of_fewer_than_three_words_have_bands_too(text: str) -> None:
    assert len(sketch.bands(text)) == sketch.BANDS
    assert sketch.similarity(text, text) == 1.0
    assert sketch.similarity(text, "quite another text") == 0.0


def test_similarity_is_the_share_of_common_triples() -> None:
    assert sketch.similarity("a b c d", "a b c e") == pytest.approx(1 / 3)


def test_only_the_first_words_of_a_long_text_count() -> None:
    start = " ".join(WORDS[:2000])
    assert sketch.bands(f"{start} one end") == sketch.bands(f"{start} another ending")
