"""Tests of the artifact stores: one contract for all, and what is special in each."""

from __future__ import annotations

import pytest

# So that their asserts explain themselves, as those in files of tests do.
pytest.register_assert_rewrite(
    *(
        f"{__name__}.{module}"
        for module in (
            "contract",
            "contract_bytes",
            "contract_folders",
            "contract_parts",
            "contract_unfinished",
            "transfers",
        )
    )
)
