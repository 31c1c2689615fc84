"""A user's CSV file: what is read, and that each kind of bad file gets one error that says where."""

import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bn_theory as bn
from bn_theory.csv_data import columns_named, read_csv
from bn_theory.errors import DataFileError

GOOD = "a,b,y\n1,3,1\n2,1,3\n4,2,2\n7,5,9\n"


@pytest.fixture
def write(tmp_path):
    def make(content):
        path = tmp_path / "data.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


def test_every_column_but_the_target_is_read_in_order(write):
    X, y, names = read_csv(write(GOOD), "b")
    assert names == ("a", "y")
    np.testing.assert_array_equal(X, [[1, 1], [2, 3], [4, 2], [7, 9]])
    np.testing.assert_array_equal(y, [3, 1, 2, 5])


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + GOOD.encode(),  # a spreadsheet's byte-order mark
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("\n", "\n\n"),  # blank lines
        GOOD.replace(",", " , "),
        '"a","b","y"\n"1",3,1\n2,1,3\n4,2,2\n7,5,"9"',
    ],
)
def test_usual_ways_of_writing_the_same_file(write, content):
    X, y, names = read_csv(write(content), "y")
    assert names == ("a", "b")
    np.testing.assert_array_equal(np.c_[X, y], [[1, 3, 1], [2, 1, 3], [4, 2, 2], [7, 5, 9]])


numbers = st.floats(-1e8, 1e8, allow_subnormal=False)


@given(rows=st.lists(st.tuples(numbers, numbers), min_size=4, max_size=12), target=st.sampled_from("ab"))
def test_numbers_come_back_bit_for_bit_or_are_refused(tmp_path_factory, rows, target):
    path = tmp_path_factory.getbasetemp() / "round_trip.csv"
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([("a", "b"), *((repr(p), repr(q)) for p, q in rows)])
    try:
        X, y, _ = read_csv(path, target)
    except DataFileError as error:
        assert "constant" in str(error)
        return
    a, b = np.array(rows).T
    wanted = (b, a) if target == "a" else (a, b)
    assert X[:, 0].tobytes() == wanted[0].tobytes() and y.tobytes() == wanted[1].tobytes()


BAD = {
    "empty": ("", ["is empty"]),
    "blank": ("\n\n , \n", ["is empty"]),
    "no header": ("1,2,3\n4,5,6\n", ["line 1", "numbers only"]),
    "a column without a name": ("a,,y\n1,2,3\n", ["column 2", "no name"]),
    "a name twice": ("a,a,y\n1,2,3\n", ["'a' 2 times"]),
    "no target": ("a,b,z\n1,2,3\n", ["no column 'y'", "'a', 'b', 'z'"]),
    "a target that is nearly there": ("a,b,yy\n1,2,3\n", ["no column 'y'", "did you mean 'yy'"]),
    "only the target": ("y\n1\n2\n", ["only the target 'y'"]),
    "no rows": ("a,b,y\n", ["no rows"]),
    "semicolons": ("a;b;y\n1;2;3\n", ["';'", "commas"]),
    "an empty cell": (GOOD + "\n1,,3\n", ["column 'b'", "row 5 (line 7)", "empty"]),
    "a short row": (GOOD + "1,2\n", ["column 'y'", "row 5 (line 6)", "missing"]),
    "a long row": (GOOD + "1,2,3,4\n", ["row 5 (line 6)", "4 cells", "3 columns"]),
    "text": (GOOD + "1,two,3\n", ["column 'b'", "row 5 (line 6)", "'two' is not a number"]),
    "a number with an underscore": (GOOD + "1_0,2,3\n", ["column 'a'", "'1_0' is not a number"]),
    "nan": (GOOD + "1,2,nan\n", ["column 'y'", "row 5 (line 6)", "'nan' is not finite"]),
    "too large": (GOOD + "1,1e999,3\n", ["column 'b'", "row 5", "'1e999' is not finite"]),
    "a constant column": ("a,b,y\n1,5,1\n2,5,3\n4,5,2\n7,5,9\n", ["column 'b' is constant"]),
    "a constant target": ("a,b,y\n1,3,5\n2,1,5\n4,2,5\n7,5,5\n", ["target 'y' is constant"]),
    "dependent columns": ("a,b,c,y\n1,3,4,1\n2,1,3,3\n4,2,6,2\n7,5,12,9\n1,1,2,5\n", ["combination of others"]),
    "too few rows": ("a,b,y\n1,3,1\n2,1,3\n4,2,2\n", ["3 rows are too few for 2 columns"]),
    "an open quote": ('a,b,y\n1,2,"3\n', ["line 2", "comma-separated"]),
    "not text": (b"a,b,y\n1,2,\xff\n", ["UTF-8"]),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_say_what_and_where(write, case):
    content, wanted = BAD[case]
    path = write(content)
    with pytest.raises(DataFileError) as caught:
        read_csv(path, "y")
    assert str(caught.value).startswith(f"{path}: ")
    for text in wanted:
        assert text in str(caught.value)


def test_the_dependent_column_named_is_one_of_the_dependent(write):
    rng = np.random.default_rng(0)
    a, b, c, y = rng.standard_normal((4, 12))
    table = np.c_[a, b, c, 1e4 * (a - c), y]
    path = write("a,b,c,d,y\n" + "\n".join(",".join(map(repr, map(float, row))) for row in table))
    with pytest.raises(DataFileError, match=r"column '[acd]' is a combination"):
        read_csv(path, "y")


def test_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(DataFileError, match="no such file"):
        read_csv(tmp_path / "absent.csv", "y")
    with pytest.raises(DataFileError, match="cannot be read"):
        read_csv(tmp_path, "y")


def test_refusals_of_a_loss_speak_of_the_file(write):
    path = write("a,b,y\n" + "\n".join(f"{i % 7},{i % 5},{i % 3}" for i in range(12)))
    X, y, names = read_csv(path, "y")
    with (
        pytest.raises(DataFileError, match=r"data\.csv: 6 parts of 12 rows hold 2"),
        columns_named(path, "y", X, names),
    ):
        bn.minibatch_least_squares_bn(X, y, parts=6)
