"""Hypothesis profiles, for all test files."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))  # tests/samples is imported as `samples`

# No deadline: first calls compile. The profile is HYPOTHESIS_PROFILE, or ci where CI is set.
_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile("dev", max_examples=20, deadline=None, suppress_health_check=_SLOW)
settings.register_profile("ci", settings.get_profile("dev"), max_examples=40, derandomize=True)
settings.register_profile("nightly", settings.get_profile("dev"), max_examples=400)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))
