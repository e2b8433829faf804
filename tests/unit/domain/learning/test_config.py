"""The defaults are the product's promises, and a wrong setting is refused by name."""

import pytest
from pydantic import ValidationError

from shared.domain.learning.config import LearningConfig, ModelId


def test_defaults_are_those_that_the_product_promises():
    config = LearningConfig()
    assert config.high.model_dump() == {"n": 10, "quality": 4.0, "correctness": 0.80}
    assert config.medium.model_dump() == {"n": 5, "quality": 3.5, "correctness": 0.70}
    assert (config.half_life_days, config.exploration_rate) == (30, 0.05)
    assert (config.trust.disable_below, config.patterns.expert_above) == (0.3, 0.75)
    assert (config.regression.drop, config.patterns.false_discovery_rate) == (0.10, 0.10)


def test_configuration_survives_json():
    config = LearningConfig(default_model=ModelId("p", "m"), half_life_days=7)
    assert LearningConfig.model_validate_json(config.model_dump_json()) == config
    assert str(config.default_model) == "p/m"


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"half_life_days": 0}, "half_life_days"),
        ({"exploration_rate": 1.1}, "exploration_rate"),
        ({"confidence_level": 1}, "confidence_level"),
        ({"high": {"n": 10, "quality": 6, "correctness": 0.8}}, "high.quality"),
        ({"trust": {"priority_below": 0.2}}, "trust.priority_below"),
        ({"default_model": {"provider": "p"}}, "default_model.model"),
        ({"halflife": 3}, "halflife"),
        ({"quality_margin": float("nan")}, "quality_margin"),
    ],
)
def test_wrong_setting_is_refused_by_name(wrong, name):
    with pytest.raises(ValidationError) as caught:
        LearningConfig.model_validate(wrong)
    assert name in [".".join(map(str, error["loc"])) for error in caught.value.errors()]
