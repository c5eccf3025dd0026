"""Adapters: one module or folder per system syncd reads. Data sources only; they know no stage and no rule."""
