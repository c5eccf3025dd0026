"""Tests of the SQL adapter."""
