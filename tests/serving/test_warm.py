"""After /ready nothing is compiled any more, whatever the number of rows and the length of texts."""

import pytest

from manyhot.backend import jax
from tests.serving.conftest import Running, as_base64, numbers, photo, rows_of, songs


@pytest.fixture
def compiles():
    """A list that grows by one for each program that is compiled."""
    seen = []

    def listen(event, *_, **__):
        if event == "/jax/core/compile/backend_compile_duration":
            seen.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield seen
    jax.monitoring.unregister_event_duration_listener(listen)


@pytest.mark.slow
def test_nothing_is_compiled_after_ready(bundles, compiles):
    service = Running([bundles[name] for name in ("songs", "matrix", "photos")]).wait()
    try:
        compiles.clear()
        rows = rows_of(songs(300, seed=8))
        for n_rows in (1, 2, 8, 9, 60, 300):
            assert service.predict({"rows": rows[:n_rows]}).status == 200
        for n_words in (0, 10, 100, 400):
            assert service.predict({"rows": [{**rows[0], "words": "rain dance " * n_words}] * 3}).status == 200
        for n_rows in (1, 30, 300):
            assert service.predict({"rows": numbers(n_rows)[0].tolist()}, "matrix").status == 200
        for n_rows in (1, 5, 40):
            images = [{"photo": as_base64(photo(True, k))} for k in range(n_rows)]
            assert service.predict({"rows": images}, "photos").status == 200
        assert service.ask("POST", "/predict", songs(70).write_csv().encode(), content_type="text/csv").status == 200
        assert not compiles
    finally:
        service.stop()
