"""The real sets, against what their SOURCE.md says."""

import gzip
import hashlib
import shutil

import numpy as np
import pytest
import scipy.sparse as sp

from manyhot.data.readers import ReadOptions, read
from manyhot.errors import InputError

# file: rows, features, labels, cardinality, labels never positive, sparse
ARFF = {
    "birds/birds-test.arff.gz": (323, 260, 19, 0.969, 0, False),
    "birds/birds-train.arff.gz": (322, 260, 19, 1.059, 0, False),
    "corel5k/Corel5k-test-sparse.arff": (500, 499, 374, 3.526, 111, True),
    "corel5k/Corel5k-train-sparse.arff.gz": (4500, 499, 374, 3.5216, 3, True),
    "delicious/delicious-test.arff.gz": (3185, 500, 983, 18.9102, 1, True),
    "delicious/delicious-train.arff.gz": (12920, 500, 983, 19.0471, 0, True),
    "emotions/emotions-test.arff": (202, 72, 6, 1.9752, 0, False),
    "emotions/emotions-train.arff.gz": (391, 72, 6, 1.8133, 0, False),
    "flags/flags-test.arff": (65, 19, 7, 3.3385, 0, False),
    "flags/flags-train.arff": (129, 19, 7, 3.4186, 0, False),
    "medical/medical-test.arff": (645, 1449, 45, 1.2403, 6, True),
    "medical/medical-train.arff": (333, 1449, 45, 1.2553, 7, True),
    "scene/scene-test.arff.gz": (1196, 294, 6, 1.0861, 0, False),
    "scene/scene-train.arff.gz": (1211, 294, 6, 1.0619, 0, False),
    "tmc2007/tmc2007-500-test.arff.gz": (7077, 500, 22, 1.9522, 0, True),
    "tmc2007/tmc2007-500-train.arff.gz": (21519, 500, 22, 2.2256, 0, True),
    "yeast/yeast-test.arff.gz": (917, 103, 14, 4.2519, 0, False),
    "yeast/yeast-train.arff.gz": (1500, 103, 14, 4.228, 0, False),
}


DIGESTS = {
    "birds/birds-test.arff.gz": "5cf03e7ad2ef",
    "birds/birds-train.arff.gz": "e752f4911cf6",
    "corel5k/Corel5k-test-sparse.arff": "8c9fc3f3ba82",
    "corel5k/Corel5k-train-sparse.arff.gz": "dab7367376f7",
    "delicious/delicious-test.arff.gz": "5f112b32fd17",
    "delicious/delicious-train.arff.gz": "1919c0676b7d",
    "emotions/emotions-test.arff": "ef00a8bd73f4",
    "emotions/emotions-train.arff.gz": "cb5eae178a0f",
    "flags/flags-test.arff": "96549988b6ad",
    "flags/flags-train.arff": "c35ad0e465bd",
    "medical/medical-test.arff": "54052c9029b0",
    "medical/medical-train.arff": "7982b82e1823",
    "scene/scene-test.arff.gz": "b1b4d422d0f4",
    "scene/scene-train.arff.gz": "614414c7baa8",
    "tmc2007/tmc2007-500-test.arff.gz": "ae9807686d7a",
    "tmc2007/tmc2007-500-train.arff.gz": "6faa2307457d",
    "yeast/yeast-test.arff.gz": "04fef17234a3",
    "yeast/yeast-train.arff.gz": "2d82011fbb43",
}
"""What the first reader made of each set; later ones make the same."""


def digest(samples):
    """Of the names and kinds of all columns, their values, and the targets."""
    found = hashlib.sha256(repr((samples.feature_names, samples.column_types, samples.labels.names)).encode())
    if samples.is_sparse:
        parts = [samples.features.data, samples.features.indices.astype(np.int64)]
    else:
        parts = [np.frombuffer(repr(column.to_list()).encode(), np.uint8) for column in samples.features.iter_columns()]
    for part in (*parts, samples.targets.values):
        found.update(np.ascontiguousarray(part).tobytes())
    return found.hexdigest()[:12]


@pytest.mark.slow
@pytest.mark.parametrize("file", sorted(ARFF))
def test_shapes_and_cardinality(file, data_folder):
    folder, name = file.split("/")
    samples = read(data_folder(folder) / name)
    n, f, n_labels, cardinality, n_unused, is_sparse = ARFF[file]
    assert samples.features.shape == (n, f)
    assert samples.targets.values.shape == (n, n_labels)
    assert samples.targets.values.sum(axis=1).mean() == pytest.approx(
        cardinality, abs=6e-5 if cardinality > 2 else 6e-4
    )
    assert int((samples.targets.support() == 0).sum()) == n_unused
    assert samples.is_sparse is is_sparse
    assert samples.targets.known is None
    assert samples.notes == ()
    assert digest(samples) == DIGESTS[file]
    if is_sparse:
        assert isinstance(samples.features, sp.csr_matrix)
        assert samples.features.dtype == np.float64


def test_nominal_features_keep_their_kind(data_folder):
    birds = read(data_folder("birds") / "birds-train.arff.gz")
    assert {n: k for n, k in birds.column_types.items() if k != "numeric"} == {
        "hasSegments": "boolean",
        "location": "categorical",
    }
    assert "Hammond's Flycatcher" in birds.labels.names
    assert int((~birds.targets.values.any(axis=1)).sum()) > 100
    flags = read(data_folder("flags") / "flags-train.arff")
    assert sum(kind != "numeric" for kind in flags.column_types.values()) == 9
    assert flags.features["landmass"][:3].to_list() == ["4", "4", "1"]


def test_first_row_of_a_dense_and_a_sparse_file(data_folder):
    emotions = read(data_folder("emotions") / "emotions-test.arff")
    assert emotions.features.row(0)[:3] == (0.036299, 0.064986, 0.082104)
    tmc = read(data_folder("tmc2007") / "tmc2007-500-train.arff.gz")
    stored = [19, 35, 90, 109, 123, 165, 185, 212, 227, 271, 333, 375, 382, 480]
    assert tmc.features[0].indices.tolist() == stored
    assert np.flatnonzero(tmc.targets.values[0]).tolist() == [501 - 500, 505 - 500, 506 - 500]


def test_slashdot(data_folder):
    samples = read(data_folder("slashdot") / "slashdot.txt.gz")
    assert samples.features.shape == (3782, 1079)
    assert samples.targets.values.sum(axis=1).mean() == pytest.approx(1.1809, abs=6e-5)
    assert int((samples.targets.support() == 0).sum()) == 2
    assert samples.labels.names[:2] == ("Entertainment", "Interviews")
    assert samples.features[1].indices.tolist() == [49, 107, 170, 624, 683, 721, 866, 953, 1010]
    assert set(samples.column_types.values()) == {"boolean"}


def test_goemotions_as_headerless_tsv(data_folder):
    options = ReadOptions(header=False, column_names=("text", "labels", "comment"), labels="labels", sep=",")
    samples = read(data_folder("goemotions") / "dev.tsv.gz", options)
    assert samples.targets.values.shape == (5426, 28)
    assert samples.targets.values.sum(axis=1).mean() == pytest.approx(1.176, abs=6e-4)
    assert samples.column_types == {"text": "text", "comment": "id"}
    assert samples.ids[0] == "edgurhb"


def test_arxiv_with_lists_as_python_writes_them(data_folder):
    samples = read(data_folder("arxiv1000") / "arxiv_data.csv.gz", ReadOptions(labels="terms"))
    assert samples.targets.values.shape == (1000, 113)
    assert samples.targets.values.sum(axis=1).mean() == pytest.approx(2.012)
    assert samples.column_types == {
        "titles": "text",
        "summaries": "text",
        "word_count": "numeric",
        "unique_word_count": "numeric",
    }


def test_uc_merced_tabs_in_txt(data_folder):
    names = "airplane,bare-soil,buildings,cars,chaparral,court,dock,field,grass,mobile-home,pavement,sand,sea,ship"
    path = data_folder("ucmerced_multilabel") / "LandUse_Multilabeled.txt"
    samples = read(path, ReadOptions(labels=names + ",tanks,trees,water"))
    assert samples.targets.values.shape == (2100, 17)
    assert samples.ids[0] == "agricultural00"


def test_a_data_set_without_its_xml_says_what_is_missing(data_folder, tmp_path):
    shutil.copy(data_folder("emotions") / "emotions-test.arff", tmp_path)
    with pytest.raises(InputError, match="nothing says which columns are labels"):
        read(tmp_path / "emotions-test.arff")
    whole = read(data_folder("emotions") / "emotions-test.arff")
    xml = data_folder("emotions") / "emotions.xml"
    with_xml = read(tmp_path / "emotions-test.arff", ReadOptions(xml=xml))
    np.testing.assert_array_equal(with_xml.targets.values, whole.targets.values)
    listed = read(tmp_path / "emotions-test.arff", ReadOptions(known_labels=whole.labels.names))
    np.testing.assert_array_equal(listed.targets.values, whole.targets.values)
    predicted = read(tmp_path / "emotions-test.arff", ReadOptions(require_labels=False))
    assert predicted.targets is None


def test_a_value_broken_in_a_real_file_is_found(data_folder, tmp_path):
    text = gzip.decompress((data_folder("tmc2007") / "tmc2007-500-train.arff.gz").read_bytes()).decode()
    head, data = text.split("@data")
    lines = data.split("\n")
    lines[20000] = lines[20000].replace(" 1,", " 3,", 1)
    shutil.copy(data_folder("tmc2007") / "tmc2007-500.xml", tmp_path)
    path = tmp_path / "tmc2007-500-train.arff"
    path.write_text(head + "@data" + "\n".join(lines))
    with pytest.raises(InputError, match="expected one of 0, 1") as caught:
        read(path)
    assert caught.value.row == len([line for line in lines[1:20001] if line.strip()])
