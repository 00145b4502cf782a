"""Measures of a code and its reconstruction: arrays in, figures with their intervals out.

reconstruction: squared error beside PCA's. labels: neighbours and a linear probe. neighbourhoods: trustworthiness and
continuity. jacobian_spectrum and encoders: how the code follows the input. sample_quality: precision, recall, density
and coverage. intervals: what each figure may be off by. docs/measures.md says it for people.
"""
