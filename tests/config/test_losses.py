import subprocess
import sys

import pytest

from manyhot.config.fields import FloatField
from manyhot.config.losses import LOSS_SETTINGS, loss_params
from manyhot.errors import InputError


@pytest.mark.parametrize("loss", LOSS_SETTINGS)
def test_defaults_lie_in_their_ranges_and_are_filled_in(loss):
    for setting in LOSS_SETTINGS[loss].values():
        assert isinstance(setting, FloatField)
        assert setting.low < setting.high
        assert setting.description
    filled = loss_params(loss, {})
    assert filled == {name: setting.default for name, setting in LOSS_SETTINGS[loss].items()}
    assert all(isinstance(value, float) for value in filled.values())
    for name, setting in LOSS_SETTINGS[loss].items():
        assert loss_params(loss, {name: setting.high}) == {**filled, name: setting.high}
        for wrong in (setting.low - 1, setting.high + 1, float("nan"), "much", True, None):
            with pytest.raises(InputError, match=f"{name}: got .*, expected a number from") as caught:
                loss_params(loss, {name: wrong})
            assert caught.value.argument == "loss_params"


def test_unknown_names_are_answered_with_a_suggestion():
    with pytest.raises(InputError, match="no setting 'gama', it has gamma, balance; did you mean 'gamma'") as caught:
        loss_params("focal", {"gama": 1})
    assert caught.value.argument == "loss_params"
    with pytest.raises(InputError, match="'zlpr' has no setting 'gamma', it has none"):
        loss_params("zlpr", {"gamma": 1})
    with pytest.raises(InputError, match="did you mean 'focal'") as caught:
        loss_params("focall", {})
    assert caught.value.argument == "loss"
    with pytest.raises(InputError, match="expected names with values"):
        loss_params("focal", [("gamma", 1)])


def test_settings_are_known_without_jax():
    script = "import sys, manyhot.config.losses; assert not {'jax', 'keras', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)
