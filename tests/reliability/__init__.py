"""What must hold when servers are killed, stopped, shared, or fed more than memory holds."""

from __future__ import annotations

import pytest

# So that their asserts explain themselves, as those in files of tests do.
pytest.register_assert_rewrite(f"{__name__}.faulty_site", f"{__name__}.ledger")
