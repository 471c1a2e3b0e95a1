"""Stock clients, unchanged and in environments of their own, against the real servers."""
