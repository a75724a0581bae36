"""Tests and measurements of Prevention Exchange."""
