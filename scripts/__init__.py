"""Programs for people who work on syncd. Not installed with it."""
