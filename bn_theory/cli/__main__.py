"""``python -m bn_theory.cli``."""

import sys

from bn_theory.cli import main

sys.exit(main())
