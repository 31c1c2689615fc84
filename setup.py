"""Everything is in setup.cfg; this adds one thing that it cannot say: a build notes the commit that it was made of."""

import importlib.util
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

PACKAGE = Path(__file__).resolve().parent / "bn_theory"


def _provenance():
    # The module by itself: building must not import the package, whose dependencies may be missing.
    spec = importlib.util.spec_from_file_location("provenance", PACKAGE / "provenance.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class BuildPy(build_py):
    """Copy the modules, then write the commit beside them; an editable install stays a checkout and asks git."""

    def run(self):
        super().run()
        target = Path(self.build_lib) / "bn_theory"
        if not self.editable_mode and target.is_dir():
            provenance = _provenance()
            kept = PACKAGE / provenance.COMMIT_FILE  # of a source distribution, which has no repository
            commit = kept.read_text(encoding="ascii") if kept.is_file() else provenance.commit_of(PACKAGE) or ""
            (target / provenance.COMMIT_FILE).write_text(commit, encoding="ascii")


setup(cmdclass={"build_py": BuildPy})
