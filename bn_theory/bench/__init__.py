"""How fast the engines are on this machine: against each other, outside references, and the machine's own limit.

``workloads`` says what is run, ``references`` holds other ways to run it, ``measure`` times them interleaved,
``summary`` turns raw seconds into ratios, ``roofline`` measures what the machine can do at all.
"""
