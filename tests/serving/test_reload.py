"""A changed model file is loaded anew while requests are answered, none of them lost; readiness for each model."""

import os
import shutil
import threading
import time

import pytest

from manyhot import MultiLabelClassifier
from manyhot.serving import state
from tests.serving.conftest import SMALL, Running, numbers, until


@pytest.fixture
def service(bundles, tmp_path):
    for name in ("matrix", "sparse"):
        shutil.copy(bundles[name], tmp_path / f"{name}.manyhot")
    running = Running([tmp_path / "matrix.manyhot", tmp_path / "sparse.manyhot"]).wait()
    yield running
    running.stop()


@pytest.mark.slow
def test_a_changed_file_is_loaded_and_no_request_is_lost(service, tmp_path):
    X, sets = numbers()
    rows = {"rows": X[:2].tolist()}
    before = service.predict(rows).document["predictions"]
    old_report = service.ask("GET", "/report").content
    statuses, is_over = [], threading.Event()

    def ask():
        while not is_over.is_set():
            statuses.append(service.predict(rows).status)

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    unchanged, old = service.service.models["sparse"], service.service.models["matrix"]
    MultiLabelClassifier(**{**SMALL, "epochs": 20}).fit(X, sets).save(tmp_path / "new.manyhot")
    os.replace(tmp_path / "new.manyhot", tmp_path / "matrix.manyhot")
    try:
        service.service.reload()
        for _ in range(600):
            if service.service.models["matrix"] is not old:
                break
            time.sleep(0.1)
        time.sleep(0.5)
    finally:
        is_over.set()
        for asker in askers:
            asker.join()
    assert set(statuses) == {200}
    assert len(statuses) > 20
    assert service.service.models["sparse"] is unchanged
    assert service.service.default_model is service.service.models["matrix"]
    assert service.predict(rows).document["predictions"] != before
    assert service.ask("GET", "/report").content != old_report
    until(lambda: old.batches._executor._shutdown)


@pytest.mark.slow
def test_a_damaged_file_leaves_the_old_model(service, tmp_path, monkeypatch):
    old, said = service.service.models["matrix"], []
    monkeypatch.setattr(state.logger, "error", lambda message, *values: said.append(message % values))
    (tmp_path / "matrix.manyhot").write_bytes(b"nothing of the kind")
    service.service.reload()
    until(lambda: said)
    assert said[0].startswith("matrix was not reloaded: ")
    assert service.service.models["matrix"] is old
    assert service.predict({"rows": numbers()[0][:1].tolist()}).status == 200


def test_a_model_is_ready_before_the_others(running):
    photos = running.service.models["photos"]
    photos.is_warm = False
    running.service.is_ready = False
    try:
        assert running.ask("GET", "/ready").document["models"] == {
            "songs": True,
            "matrix": True,
            "sparse": True,
            "photos": False,
        }
        assert running.ask("GET", "/models/matrix/ready").status == 200
        answer = running.ask("GET", "/models/photos/ready")
        assert (answer.status, answer.document["ready"]) == (503, False)
        assert "retry-after" in answer.headers
        assert running.predict({"rows": numbers()[0][:1].tolist()}, "matrix").status == 200
        assert running.predict({"rows": []}, "photos").status == 503
    finally:
        photos.is_warm = running.service.is_ready = True
