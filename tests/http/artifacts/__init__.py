"""Tests of the bytes of artifacts over HTTP, through a real server."""
