"""Tests of the whole project; `servers` starts the real programs they talk to."""
