"""Other people's servers, each with its own best settings, of the same graph: each file starts one.

They run in environments of their own (`*.txt` beside them) and read where they listen and what they serve from
`BENCH_PORT`, `BENCH_ENCODER` and `BENCH_WORKERS`. Nothing here may import what those environments lack.
"""
