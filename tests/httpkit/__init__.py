"""Tests of the HTTP kit: every way an answer can go wrong, over real connections."""
