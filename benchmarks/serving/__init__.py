"""`make bench-serving`: requests a second, beside other people's servers of one graph and beside the machine's limit.

__main__ ─> starts, run, swaps ─> rows ─> table
release ─> two releases of 784-1000-500-250-30, by the product's own steps
environments ─> other people's servers installed     peers/ ─> each of them, one file     sides ─> all started
subjects, asked ─> a request of each kind, and its answer checked     load ─> wrk     limits ─> ONNX Runtime alone
trials ─> one side, one kind of request, measured in rounds
"""
