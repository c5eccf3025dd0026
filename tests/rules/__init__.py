"""Tests of the rules: one table a family, and an independent reference model."""
