"""Load the tracking magics in every IPython of this environment; JUPYTER_TRACKING_AUTOLOAD=0 does not.

Installed to etc/ipython/startup, so it runs where nobody asked for tracking: whatever goes wrong,
IPython must start as if this file were not there, and no name may stay behind.
"""


def _load() -> None:
    import contextlib
    import os

    from IPython import get_ipython

    shell = get_ipython()
    if shell is None or os.environ.get("JUPYTER_TRACKING_AUTOLOAD") == "0":
        return
    with contextlib.suppress(Exception):
        shell.extension_manager.load_extension("jupyter_tracking")


_load()
del _load
