"""The client: it finds a tracking server, speaks the protocol to it, and moves artifacts."""
