"""Compiled loops on disk: shared by processes, kept apart by what they are made of, never in the way."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import bn_theory as bn
import proofs_check
from bn_theory.dynamics.methods import Kind
from bn_theory.engines import numba_
from bn_theory.engines.numba_source import ACROSS_REPLICAS, ALONG_COORDINATES, source
from bn_theory.engines.program import lower

SCRIPT = """
import bn_theory as bn
loss = bn.with_linear_noise(bn.rayleigh([0.0, 1.0, 2.0]), 0.3)
result = bn.run(loss, bn.SGD(lr=0.3), steps=200, replicas=2, engine="numba")
print(result.final_w.values.tobytes().hex())
"""


def process(cache, root, hash_seed):
    """Run the script on the packages in ``root``; its output and the cache's files with their times."""
    environment = os.environ | {"BN_THEORY_CACHE": str(cache), "PYTHONPATH": str(root), "PYTHONHASHSEED": hash_seed}
    environment["NUMBA_CACHE_DIR"] = ""  # beside the sources, as outside of the tests
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=environment, cwd=cache.parent, check=True
    )
    files = {p.relative_to(cache): p.stat().st_mtime_ns for p in cache.rglob("*") if p.is_file()}
    return done.stdout, files


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    """Two processes with this package and one with a copy whose noise is made in other tiles, on one cache."""
    folder = tmp_path_factory.mktemp("processes")
    root, copy, cache = Path(bn.__file__).parent.parent, folder / "copy", folder / "cache"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(bn.__file__).parent, copy / "bn_theory", ignore=ignore)
    shutil.copytree(Path(proofs_check.__file__).parent, copy / "proofs_check", ignore=ignore)
    noise = copy / "bn_theory" / "engines" / "numba_noise.py"
    text = noise.read_text()
    assert "TILE = 16" in text
    noise.write_text(text.replace("TILE = 16", "TILE = 8"))
    return [process(cache, root, "1"), process(cache, root, "2"), process(cache, copy, "3")]


def machine_code(files):
    return {name: time for name, time in files.items() if name.suffix in (".nbc", ".nbi")}


def test_a_second_process_does_not_compile_again(processes):
    (first_output, first), (second_output, second), _ = processes
    assert first_output == second_output
    assert machine_code(first)
    assert machine_code(first) == machine_code(second)
    assert sum(name.suffix == ".py" for name in first) == 1
    assert not [name for name in second if name.suffix not in (".py", ".nbc", ".nbi", ".pyc")]  # no drafts left


def test_changed_noise_code_is_compiled_again(processes):
    """Noise is compiled into the loop: the loop's name must change with it."""
    _, (output, before), (changed_output, after) = processes
    assert sum(name.suffix == ".py" for name in after) == 2
    assert set(machine_code(after)) > set(machine_code(before))
    assert changed_output == output  # tiles are a matter of speed


def test_the_environment_variable_is_respected(monkeypatch, tmp_path):
    monkeypatch.setenv("BN_THEORY_CACHE", str(tmp_path / "a" / "b"))
    assert numba_.cache_folder() == tmp_path / "a" / "b"
    assert (tmp_path / "a" / "b").is_dir()


def test_the_default_follows_xdg(monkeypatch, tmp_path):
    monkeypatch.delenv("BN_THEORY_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert numba_.cache_folder() == tmp_path / "bn_theory"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert numba_.cache_folder() == tmp_path / ".cache" / "bn_theory"


def test_a_folder_that_cannot_be_made_falls_back(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BN_THEORY_CACHE", str(tmp_path / "file" / "below"))
    folder = numba_.cache_folder()
    assert folder.is_dir() and os.access(folder, os.W_OK)
    folder.rmdir()


def test_a_folder_that_cannot_be_written_falls_back(monkeypatch, tmp_path):
    monkeypatch.setenv("BN_THEORY_CACHE", str(tmp_path))
    monkeypatch.setattr(numba_.os, "access", lambda *arguments: False)  # a superuser may write everywhere
    folder = numba_.cache_folder()
    assert folder != tmp_path and folder.is_dir()
    folder.rmdir()


def test_a_run_in_the_fallback_folder(monkeypatch, tmp_path, zoo):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BN_THEORY_CACHE", str(tmp_path / "file"))
    fallback = tmp_path / "fallback"
    fallback.mkdir()
    monkeypatch.setattr(numba_.tempfile, "mkdtemp", lambda **keywords: str(fallback))
    loss = bn.rayleigh([0.0, 1.0])
    text = source(lower(loss, Kind()), ACROSS_REPLICAS)
    numba_._compiled.__wrapped__(text)  # past the in-memory cache
    assert [p.suffix for p in fallback.iterdir()].count(".py") == 1


def test_one_loop_serves_all_data_rates_and_sizes(zoo):
    losses = (zoo("rayleigh"), zoo("rayleigh_cases"), bn.rayleigh([1, 2]))
    assert len({lower(loss, Kind(sampled=True)) for loss in losses}) == 1
    kinds = [lower(zoo("rayleigh"), Kind(*kind)) for kind in ((True, False), (False, False), (False, True))]
    layouts = (ACROSS_REPLICAS, ALONG_COORDINATES)
    assert len({source(program, layout) for program in kinds for layout in layouts}) == 6


def test_generated_source_is_the_same_in_every_process(tmp_path):
    """Its hash names the file, so nothing in it may depend on the order of a set."""
    loss = "bn.with_linear_noise(bn.bilinear([1.0, 0.5]), 0.3)"  # five sums on one axis
    code = (
        "import hashlib, bn_theory as bn; from bn_theory.engines.program import lower; "
        "from bn_theory.dynamics.methods import Kind; "
        "from bn_theory.engines.numba_source import ACROSS_REPLICAS, ALONG_COORDINATES, source; "
        f"program = lower({loss}, Kind(True, True)); "
        "text = source(program, ACROSS_REPLICAS) + source(program, ALONG_COORDINATES); "
        "print(hashlib.sha256(text.encode()).hexdigest())"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(bn.__file__).parent.parent)}
    hashes = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            env=environment | {"PYTHONHASHSEED": seed},
            cwd=tmp_path,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(hashes) == 1
