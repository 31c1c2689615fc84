"""Everything is in setup.cfg; this adds one thing that it cannot say: a build notes the commit that it was made of."""

import importlib.util
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

PACKAGE = Path(__file__).resolve().parent / "bn_theory"


def _note_commit(folder):
    """Write the commit of these sources beside a copy of the modules."""
    # The module by itself: building must not import the package, whose dependencies may be missing.
    spec = importlib.util.spec_from_file_location("provenance", PACKAGE / "provenance.py")
    provenance = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(provenance)
    kept = PACKAGE / provenance.COMMIT_FILE  # of a source distribution, which has no repository
    commit = kept.read_text(encoding="ascii") if kept.is_file() else provenance.commit_of(PACKAGE) or ""
    (folder / provenance.COMMIT_FILE).write_text(commit, encoding="ascii")


class BuildPy(build_py):
    """Copy the modules, then write the commit beside them; an editable install stays a checkout and asks git."""

    def run(self):
        super().run()
        target = Path(self.build_lib) / "bn_theory"
        if not self.editable_mode and target.is_dir():
            _note_commit(target)


class Sdist(sdist):
    """A source distribution carries the commit, too."""

    def make_release_tree(self, base_dir, files):
        super().make_release_tree(base_dir, files)
        _note_commit(Path(base_dir) / "bn_theory")


setup(cmdclass={"build_py": BuildPy, "sdist": Sdist})
