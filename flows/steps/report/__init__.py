"""The report of a release: pictures, each with what to see in it, on one page.

    release ─ release_data ─> release_pictures ───────────────────────────────────────┐
    its dataset ─ first_layers ─> comparison ─> comparison_pictures ─> entries ─ page ─ making ─> a folder

What is drawn and how is in `flows.steps.figures`; which rows are shown is in `choosing`, what is made from nothing in
`new_rows`. Trainings are kept below `MANIFOLD_HOME/training` like those of the flow. Must never import prefect.
"""
