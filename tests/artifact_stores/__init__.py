"""Tests of the artifact stores: one contract for all, and what is special in each."""
