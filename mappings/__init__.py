"""Data only: the process chart (`mssp.toml`) and one mapping per system. Read it with `importlib.resources`."""
