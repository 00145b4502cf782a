"""The work of the flows as plain functions: arrays and paths in, files out. Never imports prefect."""
