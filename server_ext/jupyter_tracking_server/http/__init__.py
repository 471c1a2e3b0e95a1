"""What speaks HTTP: routes, handlers, the gate before them and the shape of errors; the only tornado here."""
