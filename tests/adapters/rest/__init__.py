"""Tests of the REST adapter."""
