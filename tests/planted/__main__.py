"""`python tests/planted`: how many planted bugs each way of checking catches, by family.

`python tests/planted alarms 10000 [seed]` runs check_op on drawn cases of our own, right, ops.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

from planted.alarms import count_alarms  # noqa: E402
from planted.bugs import BUGS  # noqa: E402
from planted.checkers import CHECKERS, caught  # noqa: E402
from planted.right import in_right_form  # noqa: E402


def table() -> None:
    """Print the table, and which bugs were not caught."""
    total = Counter(bug.family for bug in BUGS.values())
    found: dict[str, Counter[str]] = {name: Counter() for name in CHECKERS}
    missed: dict[str, list[str]] = {name: [] for name in CHECKERS}
    alarms: Counter[str] = Counter()
    for name, bug in BUGS.items():
        for way, checker in CHECKERS.items():
            if caught(checker, bug.make(), bug.sample):
                found[way][bug.family] += 1
            else:
                missed[way].append(name)
    for way, checker in CHECKERS.items():
        alarms[way] = sum(caught(checker, fn, sample) for fn, sample in in_right_form().values())
    print("| family | bugs | " + " | ".join(CHECKERS) + " |")
    print("|---|" + "--:|" * (len(CHECKERS) + 1))
    for family, count in total.items():
        cells = [str(found[way][family]) for way in CHECKERS]
        print(f"| {family} | {count} | " + " | ".join(cells) + " |")
    sums = [f"**{sum(found[way].values())}**" for way in CHECKERS]
    print(f"| **all** | **{len(BUGS)}** | " + " | ".join(sums) + " |")
    right = [str(alarms[way]) for way in CHECKERS]
    print(f"| alarms on right ops | of {len(in_right_form())} | " + " | ".join(right) + " |\n")
    for way, names in missed.items():
        print(f"Not caught by {way}: {'; '.join(names) or 'none'}.\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["alarms"]:
        cases = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
        done, alarms = count_alarms(cases, first=int(sys.argv[3]) if len(sys.argv) > 3 else 0)
        print(f"{done} cases, {len(alarms)} false alarms")
        for line in alarms:
            print(line)
        sys.exit(bool(alarms))
    table()
