"""What is claimed of speed, memory and the papers' numbers: `make bench-NAME` runs `benchmarks/NAME.py`.

Each writes `benchmarks/results/NAME.json`, a list of rows, and exits 0 whatever the figures say: they inform, tests
judge behaviour. Sides that are compared are measured interleaved in one run; medians and spread are kept.
"""
