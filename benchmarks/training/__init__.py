"""`make bench-training`: what an epoch costs, beside the machine's limit, our other systems and other people's code.

    subjects ─> MNIST rows, and one epoch of a recipe by our own training code, in seconds
    products ─> the same matrix products alone
    ratios ─> one system over another      scaling ─> time by rows      out_of_core ─> rows that do not fit in memory
    table ─> docs/speed.md
    peers ─> an environment with other people's trainers, made once      against_peers ─> runs inside it, beside ours

Both sides of a ratio run in one process, in turn, on the same threads and the same rows. Where there is a GPU, every
row comes again with `_cuda` behind its name.
"""
