"""The wire contract on its own."""
