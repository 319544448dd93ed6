"""Settings that change no result."""

from typing import get_args

from manyhot.config.images import ON_BAD_IMAGE
from manyhot.data.readers.options import OnBadImage


def test_readers_and_settings_know_the_same_words_for_bad_images():
    assert get_args(OnBadImage) == ON_BAD_IMAGE
