"""`make bench-serving`: requests a second, beside other people's servers of the same graph and beside the machine's limit.

release ─> two releases of 784-1000-500-250-30, by the product's own steps
environments ─> other people's servers installed     peers/ ─> each of them, one file     sides ─> all started
subjects ─> a request of each kind, and its answer checked     load ─> wrk     limits ─> ONNX Runtime alone
"""
