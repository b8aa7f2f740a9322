"""The pytest plugin, run on small test files: profile, --grad-order, printed reports."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
PLUGIN = ("-p", "minigrad.testing.pytest_plugin", "-p", "no:cacheprovider")

WRONG_SECOND = """
    import numpy as np
    from minigrad.op import Array, op
    from minigrad.testing import check_op, property_test

    @op
    def sine(input: Array) -> Array:
        return np.sin(input)

    @op
    def cosine(input: Array) -> Array:
        return np.cos(input)

    sine.gradient("input", lambda g, input: g * cosine(input))
    cosine.gradient("input", lambda g: g * 0)

    def test_given_samples():
        check_op(sine, [np.array([0.5, 1.0])])

    test_drawn_samples = property_test(sine)
"""


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    monkeypatch.delenv("HYPOTHESIS_PROFILE", raising=False)
    pytester.makepyfile(WRONG_SECOND)
    pytester.makeconftest(
        """
        from hypothesis import Phase, settings
        few = settings(settings.default, max_examples=3, phases=[Phase.generate], database=None)
        settings.register_profile("few", few)
        settings.load_profile("few")
        """
    )
    return pytester


def test_report_is_printed_with_the_failure(run: pytest.Pytester) -> None:
    done = run.runpytest_subprocess(*PLUGIN)
    done.assert_outcomes(failed=2)
    done.stdout.fnmatch_lines(
        [
            "*- gradient report -*",
            "check_op: sine: wrong rule: second order: input 0 *",
            "*yours 0, numerical *",
            "check_op(sine, *",
        ]
    )


def test_grad_order_limits_what_is_checked(run: pytest.Pytester) -> None:
    run.runpytest_subprocess(*PLUGIN, "--grad-order=1").assert_outcomes(passed=2)


def test_profile_has_no_deadline_and_gives_way_to_a_conftest(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    pytester.makepyfile(
        """
        from hypothesis import settings
        def test_deadline():
            assert settings.default.deadline is None
            assert settings.default.max_examples == 7
        """
    )
    pytester.makeconftest(
        """
        from hypothesis import settings
        assert settings.default.deadline is None
        settings.register_profile("own", settings.default, max_examples=7)
        settings.load_profile("own")
        """
    )
    pytester.runpytest_subprocess(*PLUGIN).assert_outcomes(passed=1)


def test_entry_point_names_the_plugin() -> None:
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    entry = text.split("[project.entry-points.pytest11]")[1].split("\n\n")[0]
    assert f'"{PLUGIN[1]}" = "{PLUGIN[1]}"' in entry
