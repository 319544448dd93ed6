"""What is said of a file that was read."""

from manyhot.cli.jobs.train import describe_samples
from manyhot.data.readers import ReadOptions, read


def test_columns_that_are_no_features_are_counted_apart(tmp_path):
    path = tmp_path / "songs.csv"
    path.write_text("song_id,words,tempo,memo,y\n" + "".join(f"s{k},w{k} of {k},{k}.5,m,{k % 2}\n" for k in range(30)))
    samples = read(path, ReadOptions(labels="y", id_column="song_id", column_types={"memo": "ignored"}))
    assert describe_samples(samples) == "30 rows, 1 label, 2 columns (1 text, 1 numeric), 1 of ids, 1 ignored"
