"""Tests that drive the whole product as a user does, in a browser."""
