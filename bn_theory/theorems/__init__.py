"""Statements: each ties a proof, its runs and its controls together and reaches a verdict by the kind of evidence."""
