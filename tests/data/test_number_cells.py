"""Numbers as people write them."""

import polars as pl
import pytest

from manyhot.data.number_cells import (
    NumberFormat,
    are_thousands_or_fractions,
    infer_number_format,
    mixed_units,
    parse_numbers,
    shared_decimal,
)

WRITTEN = {
    "percent": (["12.5%", "7 %", "-3%"], [12.5, 7.0, -3.0], NumberFormat(".", "%")),
    "dollars": (["$1,200.50", "-$4", "($5)", "$-6"], [1200.5, -4.0, -5.0, -6.0], NumberFormat(".", "$")),
    "euros behind": (["1.200,50 €", "3 €"], [1200.5, 3.0], NumberFormat(",", "€")),
    "codes": (["USD 5", "USD 1,000"], [5.0, 1000.0], NumberFormat(".", "USD")),
    "units": (["7kg", "8 kg", "n/a", None, "9.5kg"], [7.0, 8.0, None, None, 9.5], NumberFormat(".", "kg")),
    "plural units": (["1 day", "2 days"], [1.0, 2.0], NumberFormat(".", "day")),
    "decimal commas with gaps": (["1,5", "-", "n/a", "2", "NaN"], [1.5, None, None, 2.0, None], NumberFormat(",")),
    "thousands": (["1,234,567", "12", "0.5"], [1234567.0, 12.0, 0.5], NumberFormat(".")),
    "thousands with points": (["1.234.567", "12,5"], [1234567.0, 12.5], NumberFormat(",")),
    "thousands with blanks": (["12 345,6", "7"], [12345.6, 7.0], NumberFormat(",")),
    "lakhs": (["1,20,000", "5"], [120000.0, 5.0], NumberFormat(".")),
    "long numbers without marks": (["1,234", "5678"], [1.234, 5678.0], NumberFormat(",")),
    "minus signs and degrees": (["−5°C", "+5 °C"], [-5.0, 5.0], NumberFormat(".", "°C")),
    "exponents": (["1e3 m/s", "2.5e-1 m/s"], [1000.0, 0.25], NumberFormat(".", "m/s")),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_every_way_to_write_numbers(name):
    cells, numbers, number_format = WRITTEN[name]
    found = infer_number_format(pl.Series("x", cells))
    assert found.numbers.to_list() == numbers
    assert found.format == number_format
    again, is_invalid = parse_numbers(pl.Series("x", cells), number_format)
    assert again.to_list() == numbers
    assert not is_invalid.any()


@pytest.mark.parametrize(
    "cells", [["10:05", "3:02"], ["01.02.2024", "02.02.2024"], ["10.0.0.1", "10.0.0.2"], ["red", "blue"], ["A1", "B2"]]
)
def test_other_things_are_no_numbers(cells):
    assert infer_number_format(pl.Series(cells)) is None


def test_what_a_file_suggests_decides_where_cells_leave_it_open():
    cells = pl.Series(["1,200", "3,400"])
    assert infer_number_format(cells).numbers.to_list() == [1200.0, 3400.0]
    assert infer_number_format(cells, ",").numbers.to_list() == [1.2, 3.4]
    assert infer_number_format(cells).doubtful_mark == ","
    assert infer_number_format(pl.Series(["1,2", "3,4"])).doubtful_mark == ""
    assert infer_number_format(pl.Series(["1,200", "3400"]), ".").numbers.to_list() == [1.2, 3400.0]


def test_powers_of_ten_have_no_thousands():
    cells = pl.Series(["1,234e-03", "5,678e+02"])
    assert infer_number_format(cells).numbers.to_list() == [0.001234, 567.8]
    assert infer_number_format(cells).doubtful_mark == ""


def test_other_columns_tell_the_decimal_mark():
    assert shared_decimal([pl.Series(["1,234"]), pl.Series(["a", "b"]), pl.Series(["3,5", "1,25"])]) == ","
    assert shared_decimal([pl.Series(["1.234"]), pl.Series(["3.5", "1,25", "2.1"])]) == "."
    assert shared_decimal([pl.Series(["1.234"]), pl.Series(["01.02.2024"])]) is None
    assert shared_decimal([pl.Series(["3.5"]), pl.Series(["3,5"])]) is None


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1.234", "950"], True),
        (["1.234", "0.500"], False),
        (["1.234", "1.5"], False),
        (["12", "13"], False),
    ],
)
def test_dots_that_may_stand_between_thousands(cells, expected):
    assert are_thousands_or_fractions(pl.Series(cells)) is expected


def test_bounds_and_footnotes_are_read_as_the_number_alone():
    found = infer_number_format(pl.Series(["<0.5", "1.5*", "2", "3.25", "> 7"] + ["4"] * 5))
    assert found.numbers.to_list() == [0.5, 1.5, 2.0, 3.25, 7.0] + [4.0] * 5
    assert (found.marked, found.n_marked) == ("<0.5", 3)
    everywhere = infer_number_format(pl.Series(["~5", "~7"]))
    assert everywhere.numbers.to_list() == [5.0, 7.0]
    assert everywhere.n_marked == 0
    assert infer_number_format(pl.Series(["<5", ">5", "<5"])) is None  # levels of a category
    assert parse_numbers(pl.Series(["<0.5", "ca. 3"]), found.format)[0].to_list() == [0.5, 3.0]


def test_a_few_stray_cells_are_missing_from_twenty_cells_on():
    numbers = [str(k / 4) for k in range(19)]
    assert infer_number_format(pl.Series([*numbers[:18], "oops"])) is None
    found = infer_number_format(pl.Series([*numbers, "oops"]))
    assert found.format.missing == ("oops",)
    assert found.numbers.to_list() == [*(k / 4 for k in range(19)), None]
    assert infer_number_format(pl.Series([*numbers, "oops", "oops"])) is None
    many = pl.Series([*(str(k) for k in range(100)), "oops", "unclear"])
    assert infer_number_format(many).n_strays == 2
    assert infer_number_format(many, is_strict=True) is None


def test_one_decimal_comma_does_not_turn_fractions_into_thousands():
    cells = [f"1.{k:03}" for k in range(100, 199)]
    found = infer_number_format(pl.Series([*cells, "1,5"]))
    assert found.numbers[0] == 1.1
    assert found.format.missing == ("1,5",)


def test_units_that_differ_are_named():
    assert infer_number_format(pl.Series(["7kg", "8g"] * 20)) is None
    assert mixed_units(pl.Series(["7kg", "8g"] * 20)) == ("g", "kg")
    assert mixed_units(pl.Series(["7kg", "8kg"])) == ()


def test_prediction_refuses_other_units_and_takes_plain_numbers():
    cells = pl.Series(["12,5", "12.5", "3 kg", "4 g", "x", None, "oops", "n/a", "1.200"])
    numbers, is_invalid = parse_numbers(cells, NumberFormat(",", "kg", ("oops",)))
    assert numbers.to_list() == [12.5, 12.5, 3.0, None, None, None, None, None, 1200.0]
    assert is_invalid.arg_true().to_list() == [3, 4]
    assert NumberFormat(",", "kg").describe() == "a number in 'kg' with a decimal comma"


def test_lists_of_whole_numbers_are_no_decimal_commas():
    assert infer_number_format(pl.Series([*(str(k % 28) for k in range(90)), *["3,25"] * 10])) is None
    assert infer_number_format(pl.Series([*["3,25"] * 99, "9,22,25"])) is None
    assert infer_number_format(pl.Series(["12"] * 90 + ["3,25"] * 10), ",").numbers[95] == 3.25
