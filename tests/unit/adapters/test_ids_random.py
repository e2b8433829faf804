"""Ids, secrets and random numbers from the machine."""

import os
import re
from collections import Counter

from shared.adapters.ids_random import RandomIds

CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"


def test_an_id_is_its_prefix_and_twenty_letters_of_crockfords_alphabet():
    for _ in range(200):
        assert re.fullmatch(rf"ent_[{CROCKFORD}]{{20}}", RandomIds().new("ent"))


def test_ids_do_not_repeat():
    ids = RandomIds()
    assert len({ids.new("req") for _ in range(50_000)}) == 50_000


def test_every_letter_is_as_likely_at_every_place():
    ids = RandomIds()
    draws = [ids.new("x")[2:] for _ in range(16_000)]
    for place in range(20):
        counts = Counter(draw[place] for draw in draws)
        assert sorted(counts) == sorted(CROCKFORD)
        # 500 expected, standard deviation 22: eight of them off is no accident.
        assert all(320 < count < 680 for count in counts.values())


def test_a_secret_is_url_safe_and_holds_256_bits():
    secrets = {RandomIds().secret() for _ in range(1000)}
    assert len(secrets) == 1000
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", secret) for secret in secrets)


def test_uniform_numbers_fill_the_unit_interval():
    ids = RandomIds()
    numbers = [ids.uniform() for _ in range(10_000)]
    assert all(0 <= number < 1 for number in numbers)
    assert abs(sum(numbers) / len(numbers) - 0.5) < 0.03
    assert Counter(int(number * 10) for number in numbers).keys() == set(range(10))


def test_two_generators_differ():
    assert RandomIds().uniform() != RandomIds().uniform()


def test_a_forked_process_draws_other_numbers(monkeypatch):
    ids = RandomIds()
    state = ids._generator.getstate()
    here = ids.uniform()
    ids._generator.setstate(state)
    monkeypatch.setattr(
        os, "getpid", lambda: -1
    )  # what the child of a fork sees: another process id
    assert ids.uniform() != here
