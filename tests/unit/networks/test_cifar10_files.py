"""CIFAR-10's two file formats, from small files in exactly these formats: what is read, what is refused and named."""

import dataclasses
import hashlib
import os
import pickle
import struct
import warnings

import numpy as np
import pytest

from bn_theory.errors import DataFileError, InvalidInputError
from bn_theory.networks import cifar10_files as cifar10

NAMES = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]


def batches(seed=0, images=4):
    rng = np.random.default_rng(seed)
    return {
        name: (rng.integers(0, 256, (images, 3072), dtype=np.uint8), rng.integers(0, 10, images).tolist())
        for name in NAMES
    }


def write_binary(folder, found):
    folder.mkdir(parents=True, exist_ok=True)
    for name, (pixels, labels) in found.items():
        records = np.concatenate([np.array(labels, dtype=np.uint8)[:, None], pixels], axis=1)
        (folder / f"{name}.bin").write_bytes(records.tobytes())


def python2(batch, pixels, labels):
    """The bytes that Python 2's cPickle wrote at protocol 2 for a batch, opcode by opcode."""

    def text(value):
        return b"U" + bytes([len(value)]) + value if len(value) < 256 else b"T" + struct.pack("<i", len(value)) + value

    dtype = (
        b"cnumpy\ndtype\n"
        + text(b"u1")
        + b"K\x00K\x01\x87R(K\x03"
        + text(b"|")
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    )
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text(b"b") + b"\x87R"
    rows = struct.pack("<H", len(pixels))
    array += (
        b"(K\x01M" + rows + b"M" + struct.pack("<H", 3072) + b"\x86" + dtype + b"\x89" + text(pixels.tobytes()) + b"tb"
    )
    numbers = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    names = b"](" + b"".join(text(b"leptodactylus_s_%06d.png" % i) for i in range(len(labels))) + b"e"
    pairs = (b"batch_label", text(batch)), (b"labels", numbers), (b"data", array), (b"filenames", names)
    return b"\x80\x02}(" + b"".join(text(key) + value for key, value in pairs) + b"u."


def python3(protocol):
    def write(batch, pixels, labels):
        return pickle.dumps({b"batch_label": batch, b"labels": labels, b"data": pixels, b"filenames": []}, protocol)

    return write


def write_python(folder, found, write=python2):
    folder.mkdir(parents=True, exist_ok=True)
    for name, (pixels, labels) in found.items():
        (folder / name).write_bytes(write(name.encode(), pixels, labels))


WRITERS = {
    "binary": ("cifar-10-batches-bin", write_binary),
    "python 2": ("cifar-10-batches-py", write_python),
    "python 3": ("cifar-10-batches-py", lambda folder, found: write_python(folder, found, python3(3))),
    "python 3, protocol 4": ("cifar-10-batches-py", lambda folder, found: write_python(folder, found, python3(4))),
}


@pytest.mark.parametrize("above", [True, False], ids=["folder above", "folder itself"])
@pytest.mark.parametrize("kind", WRITERS)
def test_every_format_gives_the_images_back(tmp_path, kind, above):
    name, write = WRITERS[kind]
    expected = batches()
    write(tmp_path / name, expected)
    found = cifar10.read(tmp_path if above else tmp_path / name, verified=False)
    assert found.train_images.shape == (20, 3, 32, 32) and found.test_images.shape == (4, 3, 32, 32)
    assert np.array_equal(found.test_images.reshape(4, -1), expected["test_batch"][0])
    assert found.test_classes.tolist() == expected["test_batch"][1]
    third = slice(8, 12)
    assert np.array_equal(found.train_images[third].reshape(4, -1), expected["data_batch_3"][0])
    assert found.train_classes[third].tolist() == expected["data_batch_3"][1]
    # the second colour of the first image, its third row
    assert np.array_equal(found.train_images[0, 1, 2], expected["data_batch_1"][0][0, 1024 + 64 : 1024 + 96])


def test_numpy_reads_the_handmade_pickle_alike():
    pixels, labels = batches()["test_batch"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy's own remark on how numpy 1 wrote dtypes
        read = pickle.loads(python2(b"test_batch", pixels, labels), encoding="bytes")
    assert np.array_equal(read[b"data"], pixels) and read[b"labels"] == labels


def test_both_versions_of_the_same_images_have_one_checksum(tmp_path):
    for seed, kind in ((0, "binary"), (0, "python 2"), (1, "binary")):
        WRITERS[kind][1](tmp_path / f"{kind}{seed}", batches(seed))
    first, second, other = (
        cifar10.read(tmp_path / name, verified=False).checksum for name in ("binary0", "python 20", "binary1")
    )
    assert first == second != other


@pytest.mark.parametrize("kind", ["binary", "python 2"])
def test_other_files_than_published_are_refused_with_both_sums(tmp_path, kind):
    name, write = WRITERS[kind]
    write(tmp_path / name, batches())
    version = cifar10.BINARY if kind == "binary" else cifar10.PYTHON
    first = next(iter(version.files))
    own = hashlib.new(version.algorithm, (tmp_path / name / first).read_bytes()).hexdigest()
    with pytest.raises(DataFileError) as error:
        cifar10.read(tmp_path)
    for part in (first, own, version.files[first], "--unverified-data"):
        assert part in str(error.value)
    assert ("it has 12292 bytes, not 30730000" in str(error.value)) == (kind == "binary")


@pytest.mark.parametrize("kind", ["binary", "python 2"])
def test_the_published_files_are_taken_and_one_flipped_bit_is_not(tmp_path, monkeypatch, kind):
    WRITERS[kind][1](tmp_path, batches())
    old = cifar10.BINARY if kind == "binary" else cifar10.PYTHON
    sums = {file: hashlib.new(old.algorithm, (tmp_path / file).read_bytes()).hexdigest() for file in old.files}
    new = dataclasses.replace(old, files=sums)
    monkeypatch.setattr(cifar10, "BINARY" if kind == "binary" else "PYTHON", new)
    monkeypatch.setattr(cifar10, "VERSIONS", (new,))
    assert len(cifar10.read(tmp_path).train_images) == 20
    last = tmp_path / list(sums)[-1]
    content = bytearray(last.read_bytes())
    content[3000] ^= 1
    last.write_bytes(content)
    with pytest.raises(DataFileError, match=last.name):
        cifar10.read(tmp_path)


@pytest.mark.parametrize(
    "kind, name, size, message",
    [
        ("binary", "data_batch_2.bin", 3073 * 3 + 1, "data_batch_2.bin has 9220 bytes, which is not a whole number"),
        ("binary", "test_batch.bin", 0, "test_batch.bin has 0 bytes"),
        ("python 2", "data_batch_4", 200, "data_batch_4 is not a pickle that can be read"),
        ("python 2", "data_batch_4", 0, "data_batch_4 is not a pickle that can be read"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, kind, name, size, message):
    WRITERS[kind][1](tmp_path, batches())
    os.truncate(tmp_path / name, size)
    with pytest.raises(DataFileError, match=message):
        cifar10.read(tmp_path, verified=False)


@pytest.mark.parametrize("kind", ["binary", "python 2"])
def test_missing_files_are_named(tmp_path, kind):
    folder, write = WRITERS[kind]
    write(tmp_path / folder, batches())
    suffix = ".bin" if kind == "binary" else ""
    for name in ("data_batch_3", "test_batch"):
        (tmp_path / folder / (name + suffix)).unlink()
    with pytest.raises(DataFileError, match=f"lacks data_batch_3{suffix}, test_batch{suffix} of CIFAR-10"):
        cifar10.read(tmp_path, verified=False)


@pytest.mark.parametrize("kind", ["binary", "python 2"])
def test_a_class_beyond_nine_is_named(tmp_path, kind):
    found = batches()
    found["data_batch_5"][1][2] = 10
    WRITERS[kind][1](tmp_path, found)
    with pytest.raises(DataFileError, match=r"data_batch_5.*: image 2 has class 10"):
        cifar10.read(tmp_path, verified=False)


def one_batch(value):
    return lambda batch, pixels, labels: value if batch == b"data_batch_1" else python2(batch, pixels, labels)


PIXELS = np.zeros((2, 3072), dtype=np.uint8)


@pytest.mark.parametrize(
    "batch, message",
    [
        ([1, 2], "must be a dictionary with data and labels, and is of type list"),
        ({b"data": PIXELS}, "must be a dictionary with data and labels, and is a dictionary with"),
        (
            {b"data": PIXELS[:, :-1], b"labels": [1, 2]},
            r"asks for an array of shape \(2, 3071\) and is not read.*shape \(images, 3072\)",
        ),
        ({b"data": [1], b"labels": [1]}, "data must be bytes of shape .* not of type list"),
        ({b"data": PIXELS, b"labels": [1]}, "has 2 images and 1 labels"),
        ({b"data": PIXELS, b"labels": [1, 2.0]}, "labels must be a list of whole numbers"),
        ({b"data": PIXELS, b"labels": [1, 2**80]}, "image 1 has class 10, classes are"),
        ({b"data": PIXELS.astype(float), b"labels": [1, 2]}, "asks for numbers of type 'f8' and is not read"),
        ({b"data": PIXELS[:0], b"labels": []}, r"asks for an array of shape \(0, 3072\) and is not read"),
        ({b"data": np.array([None, {}]), b"labels": [1, 2]}, "asks for numbers of type 'O8' and is not read"),
    ],
)
def test_a_pickle_of_something_else_is_refused(tmp_path, batch, message):
    write_python(tmp_path, batches(), one_batch(pickle.dumps(batch, 4)))
    with pytest.raises(DataFileError, match=f"data_batch_1.*{message}"):
        cifar10.read(tmp_path, verified=False)


def test_an_array_that_was_never_made_is_refused(tmp_path):
    # NEWOBJ makes one and does not call __init__, and no state follows
    for labels, message in ((b"](K\x01e", "data must be bytes of shape .*, not an array without content"),):
        batch = b"\x80\x02}(U\x04datacnumpy\nndarray\n)\x81U\x06labels" + labels + b"u."
        write_python(tmp_path, batches(), one_batch(batch))
        with pytest.raises(DataFileError, match=f"data_batch_1.*{message}"):
            cifar10.read(tmp_path, verified=False)


def test_sizes_are_not_left_to_numpy(tmp_path):
    good = python2(b"data_batch_1", *batches()["data_batch_1"])
    shape = b"M" + struct.pack("<H", 4) + b"M" + struct.pack("<H", 3072) + b"\x86"
    for forged, said in (
        (b"J" + struct.pack("<i", -1) + b"M" + struct.pack("<H", 3072) + b"\x86", r"\(-1, 3072\)"),
        (b"K\x04J" + struct.pack("<i", -1) + b"\x86", r"\(4, -1\)"),
        (b"K\x04K\x03M" + struct.pack("<H", 1024) + b"\x87", r"\(4, 3, 1024\)"),
        (b"\x88M" + struct.pack("<H", 3072) + b"\x86", r"\(True, 3072\)"),
        (b"N", "None"),
    ):
        assert good.count(shape) == 1
        write_python(tmp_path, batches(), one_batch(good.replace(shape, forged)))
        with pytest.raises(DataFileError, match=f"data_batch_1 asks for an array of shape {said} and is not read"):
            cifar10.read(tmp_path, verified=False)


class Runs:
    """A pickle of this would touch a file when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", range(6))
def test_no_code_of_a_pickle_is_run(tmp_path, protocol):
    trace = tmp_path / "trace"
    bad = pickle.dumps({"data": Runs(trace), "labels": [1]}, protocol)
    write_python(tmp_path / "batches", batches(), one_batch(bad))
    with pytest.raises(DataFileError, match=r"asks for \w+\.mkdir and is not read.*cifar-10-binary.tar.gz"):
        cifar10.read(tmp_path / "batches", verified=False)
    assert not trace.exists()
    pickle.loads(bad)  # a plain unpickler runs it
    assert trace.exists()


def test_state_of_numbers_is_not_given_to_numpy(tmp_path):
    # flags that claim objects: numpy's own dtype would believe them
    good = python2(b"data_batch_1", *batches()["data_batch_1"])
    forged = good.replace(b"J\xff\xff\xff\xffK\x00tb", b"J\xff\xff\xff\xffK\x3ftb")
    assert forged != good
    write_python(tmp_path, batches(), one_batch(forged))
    assert np.array_equal(
        cifar10.read(tmp_path, verified=False).train_images[:4].reshape(4, -1), batches()["data_batch_1"][0]
    )


def test_wrong_folders_say_what_to_do(tmp_path):
    with pytest.raises(InvalidInputError, match=r"there is no folder .*; nothing is downloaded"):
        cifar10.read(tmp_path / "absent")
    with pytest.raises(
        InvalidInputError, match=r"holds no CIFAR-10: looked for data_batch_1.bin .*nothing is downloaded"
    ):
        cifar10.read(tmp_path)
    archive = tmp_path / "cifar-10-python.tar.gz"
    archive.touch()
    with pytest.raises(InvalidInputError, match=r"unpack it by tar -xzf cifar-10-python.tar.gz in that folder"):
        cifar10.read(tmp_path)
    with pytest.raises(InvalidInputError, match=r"must be a folder, .* is a file; unpack it by tar -xzf"):
        cifar10.read(archive)
