"""Where the bytes of artifacts are: one file for each kind of store, behind the seam of ``base.py``."""
