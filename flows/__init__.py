"""How a manifold is produced: the one room that knows the other two.

`flows/*.py` are Prefect shells (retries, progress, artifacts; no arithmetic), `flows/steps/` the plain
functions that do the work and run without Prefect. May import `models`, and of `service` only the release, the
runtime and the client. `flows.command_line` is the way in.
"""
