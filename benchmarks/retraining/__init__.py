"""What is claimed of retraining that a team leaves alone: `make bench-retraining`, `ARGS=--quick` for a short form.

One module a family of rows; each gives its rows from real processes in a home of its own.
"""
