"""What must hold when servers are killed, stopped, shared, or fed more than memory holds."""
