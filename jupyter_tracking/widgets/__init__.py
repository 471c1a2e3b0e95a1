"""Widgets on ipywidgets: they ask the server through the kernel, and leave a table in saved notebooks."""
