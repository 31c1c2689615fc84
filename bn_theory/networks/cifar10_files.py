"""CIFAR-10 as its author distributes it, read from a folder: the binary version or the python one, never downloaded.

Both hold five files for training and one for the test, of 10 000 images each. Checksums of these files are published
elsewhere: MD5 for the python version (in torchvision), SHA-1 for the binary one (in Apache MXNet Gluon).
"""

from __future__ import annotations

import hashlib
import io
import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bn_theory.errors import DataFileError, InvalidInputError

SHAPE = (3, 32, 32)
PIXELS = 3 * 32 * 32
IMAGES = 10_000
"""In each file of the distribution."""
CLASSES = 10
WAY_OUT = "get the files again from https://www.cs.toronto.edu/~kriz/cifar.html"

Files = dict[str, str]
"""Published checksum by file name; the last file is the test's."""


@dataclass(frozen=True)
class Version:
    """One form in which CIFAR-10 is distributed: the folder's name, the files and the kind of their checksums."""

    folder: str
    archive: str
    files: Files
    algorithm: str


BINARY = Version(
    "cifar-10-batches-bin",
    "cifar-10-binary.tar.gz",
    {
        "data_batch_1.bin": "aadd24acce27caa71bf4b10992e9e7b2d74c2540",
        "data_batch_2.bin": "c0ba65cce70568cd57b4e03e9ac8d2a5367c1795",
        "data_batch_3.bin": "1dd00a74ab1d17a6e7d73e185b69dbf31242f295",
        "data_batch_4.bin": "aab85764eb3584312d3c7f65fd2fd016e36a258e",
        "data_batch_5.bin": "26e2849e66a845b7f1e4614ae70f4889ae604628",
        "test_batch.bin": "67eb016db431130d61cd03c7ad570b013799c88c",
    },
    "sha1",
)
PYTHON = Version(
    "cifar-10-batches-py",
    "cifar-10-python.tar.gz",
    {
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "test_batch": "40351d587109b95175f43aff81a1287e",
    },
    "md5",
)
VERSIONS = (BINARY, PYTHON)


@dataclass(frozen=True, eq=False)
class Raw:
    """Bytes as they were read.

    Args:
        train_images, test_images: shape ``(images, 3, 32, 32)``, 0 to 255. train_classes, test_classes: 0 to 9.
        checksum: SHA-256 of classes and pixels, the same for both versions of the same images in the same order.
    """

    train_images: np.ndarray
    train_classes: np.ndarray
    test_images: np.ndarray
    test_classes: np.ndarray
    checksum: str


def read(folder, *, verified: bool = True) -> Raw:
    """All images and classes.

    Args:
        folder: the one with the files, or the one above it; the binary version is taken where both are there.
        verified: whether files must have their published checksums. Without, any files in one of the two forms are
            taken, also shorter ones.

    Raises:
        InvalidInputError: no folder, or none of the files in it.
        DataFileError: a file that is missing, damaged or another one; the message names it.
    """
    place, version = _find(folder)
    missing = [name for name in version.files if not (place / name).is_file()]
    if missing:
        raise DataFileError(f"{place} lacks {', '.join(missing)} of CIFAR-10; {WAY_OUT} ({version.archive})")
    parts = [_file(place / name, version, verified) for name in version.files]
    # concatenated even where there is one: arrays of their own, that may be written to
    (train_images, train_classes), (test_images, test_classes) = (
        tuple(map(np.concatenate, zip(*chosen, strict=True))) for chosen in (parts[:-1], parts[-1:])
    )
    digest = hashlib.sha256()
    for images, classes in ((train_images, train_classes), (test_images, test_classes)):
        digest.update(classes.tobytes())
        digest.update(images.tobytes())
    shaped = (images.reshape(-1, *SHAPE) for images in (train_images, test_images))
    return Raw(next(shaped), train_classes, next(shaped), test_classes, digest.hexdigest())


def _find(folder):
    """The folder that has files of CIFAR-10, and their version."""
    given = Path(folder)
    if given.is_file():
        unpack = f"; unpack it by tar -xzf {given}" if given.suffix in (".gz", ".tgz", ".tar") else ""
        raise InvalidInputError(f"the data must be a folder, and {given} is a file{unpack}")
    if not given.is_dir():
        raise InvalidInputError(f"there is no folder {given}; nothing is downloaded: {WAY_OUT}")
    for version in VERSIONS:
        for place in (given, given / version.folder):
            if any((place / name).is_file() for name in version.files):
                return place, version
    packed = [version.archive for version in VERSIONS if (given / version.archive).is_file()]
    hint = f"unpack it by tar -xzf {packed[0]} in that folder" if packed else f"nothing is downloaded: {WAY_OUT}"
    expected = " or ".join(f"{next(iter(v.files))} ... in {v.folder}" for v in VERSIONS)
    raise InvalidInputError(f"{given} holds no CIFAR-10: looked for {expected}; {hint}")


def _file(path, version, verified):
    """Pixels ``(images, 3072)`` and classes of one file, checked."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataFileError(f"cannot read {path}: {error.strerror}") from error
    if verified:
        _check_sum(path, content, version)
    pixels, classes = (_binary if version is BINARY else _python)(path, content)
    wrong = np.flatnonzero((classes < 0) | (classes >= CLASSES))
    if wrong.size:
        raise DataFileError(
            f"{path}: image {wrong[0]} has class {classes[wrong[0]]}, classes are 0 to {CLASSES - 1}; {WAY_OUT}"
        )
    return pixels, classes.astype(np.uint8)


def _check_sum(path, content, version):
    # Against damage, not against forgery: these are the sums that were published.
    found = hashlib.new(version.algorithm, content, usedforsecurity=False).hexdigest()
    published = version.files[path.name]
    if found != published:
        size = ""
        if version is BINARY and len(content) != IMAGES * (1 + PIXELS):
            size = f" (it has {len(content)} bytes, not {IMAGES * (1 + PIXELS)})"
        raise DataFileError(
            f"{path} is not that of the distribution{size}: its {version.algorithm.upper()} is {found}, published is "
            f"{published}; {WAY_OUT}, or take other data in that form by --unverified-data (verified=False)"
        )


def _binary(path, content):
    """Records of one byte for the class and 3072 for the pixels: red, green, blue, each row by row."""
    if not content or len(content) % (1 + PIXELS):
        raise DataFileError(
            f"{path} has {len(content)} bytes, which is not a whole number of images of {1 + PIXELS}; {WAY_OUT}"
        )
    records = np.frombuffer(content, dtype=np.uint8).reshape(-1, 1 + PIXELS)
    return records[:, 1:], records[:, 0].astype(np.int64)


def _python(path, content):
    """A pickled dictionary with ``data`` of shape ``(images, 3072)`` and a list of ``labels``."""
    try:
        batch = _ArraysOnly(io.BytesIO(content), encoding="bytes").load()
    except _Refused as error:
        raise DataFileError(
            f"{path} asks for {error} and is not read: a pickle of CIFAR-10 holds numbers, texts and arrays of bytes "
            f"of shape (images, {PIXELS}); take the binary version ({BINARY.archive})"
        ) from error
    except Exception as error:  # a damaged pickle may raise anything
        raise DataFileError(
            f"{path} is not a pickle that can be read ({type(error).__name__}); {WAY_OUT}, best the binary version "
            f"({BINARY.archive})"
        ) from error
    if not isinstance(batch, dict) or not {b"data", b"labels"} <= set(batch):
        raise DataFileError(f"{path} must be a dictionary with data and labels, and is {_kind(batch)}; {WAY_OUT}")
    pixels, labels = batch[b"data"], batch[b"labels"]
    pixels = pixels.found if isinstance(pixels, _Array) and pixels.found is not None else pixels
    if not isinstance(pixels, np.ndarray):
        raise DataFileError(f"{path}: data must be bytes of shape (images, {PIXELS}), not {_kind(pixels)}; {WAY_OUT}")
    if not isinstance(labels, list) or not all(type(label) is int for label in labels):
        raise DataFileError(f"{path}: labels must be a list of whole numbers, not {_kind(labels)}; {WAY_OUT}")
    if not len(pixels) or len(labels) != len(pixels):
        raise DataFileError(f"{path} has {len(pixels)} images and {len(labels)} labels; {WAY_OUT}")
    return np.ascontiguousarray(pixels), np.array([min(max(label, -1), CLASSES) for label in labels])


def _kind(value):
    if isinstance(value, _Array):
        return "an array without content" if value.found is None else f"an array of shape {value.found.shape}"
    if isinstance(value, dict):
        return f"a dictionary with {sorted(map(str, value))}"
    return f"of type {type(value).__name__}"


class _Refused(pickle.UnpicklingError):
    """Something else than an array of bytes; its text is what was asked for."""


class _Bytes:
    """In place of numpy's dtype of bytes, whatever state the file gives it."""

    def __init__(self, code, align=False, copy=False):
        if code not in ("u1", b"u1"):
            raise _Refused(f"numbers of type {code!r}")

    def __setstate__(self, state):
        pass


class _Array:
    """In place of numpy's array: numpy trusts the state that it is given, a file is not to be trusted."""

    found = None  # of the class: a pickle can make one without __init__

    def __init__(self, *_):
        pass

    def __setstate__(self, state):
        _, shape, kind, by_column, content = state
        if type(kind) is not _Bytes or type(content) is not bytes:
            raise _Refused("an array of something else than bytes")
        if not _is_images(shape):
            raise _Refused(f"an array of shape {shape!r}"[:100])
        self.found = np.frombuffer(content, dtype=np.uint8).reshape(shape, order="F" if by_column else "C")


def _is_images(shape):
    """Whether it is ``(n, PIXELS)`` with ``n >= 1``: numpy would choose a size of -1 itself."""
    return type(shape) is tuple and len(shape) == 2 and type(shape[0]) is int and shape[0] >= 1 and shape[1] == PIXELS


class _ArraysOnly(pickle.Unpickler):
    """Reads numbers, texts, lists, dictionaries and arrays of bytes, and nothing that could run code."""

    def find_class(self, module, name):
        """The few names that an array is made of, as numpy before and since its version 2 calls them."""
        if name == "_reconstruct" and module in ("numpy.core.multiarray", "numpy._core.multiarray"):
            return _Array
        if (module, name) == ("numpy", "ndarray"):
            return _Array
        if (module, name) == ("numpy", "dtype"):
            return _Bytes
        raise _Refused(f"{module}.{name}")
