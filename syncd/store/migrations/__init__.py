"""Migrations of the store, applied by the tool itself."""
