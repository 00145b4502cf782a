"""The papers' numbers: `make bench-papers`, and `make bench-papers ARGS=--quick` in under ten minutes.

    protocols ─> what is trained for each number, with its candidates      cuts ─> the rows it is trained on
    runs ─> one training and its figures, kept, so that an interrupted benchmark goes on where it was
    choosing ─> the candidate with the best validation figure; the test rows are looked at only then
    table ─> the rows of the table, from the figures

Two runs go side by side, each on one thread: on two cores that is faster than one after the other on both.
"""
