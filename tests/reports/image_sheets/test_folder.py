"""File names are harmless and folders are made."""

import pytest

from manyhot.errors import OutputError
from manyhot.reports.image_sheets import check_folder, file_name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("car", "00007-car.png"),
        ("../../etc/passwd", "00007-etc_passwd.png"),
        ("a/b\\c:d*e?.jpg", "00007-a_b_c_d_e_jpg.png"),
        ("Bäume & Gras", "00007-Bäume_Gras.png"),
        ("", "00007.png"),
        ("///", "00007.png"),
        ("con", "00007-con.png"),
        ("\x00\n", "00007.png"),
    ],
)
def test_file_names_are_harmless(name, expected):
    assert file_name(7, name) == expected


def test_long_names_are_cut_and_stay_apart():
    first, second = file_name(1, "日" * 500), file_name(2, "日" * 500)
    assert first != second
    assert len(first.encode()) < 100


def test_folders_are_made_and_files_are_refused(tmp_path):
    assert check_folder(str(tmp_path / "a" / "b")).is_dir()
    assert check_folder(tmp_path / "a").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="is a file"):
        check_folder(tmp_path / "file")
    with pytest.raises(OutputError, match="could not be made"):
        check_folder(tmp_path / "file" / "below")
