"""Measurements, all in one form: `./run bench NAME`. See figures.py for how to write one."""
