"""Independent verdict on a schedule: which limits of the scenario it breaks."""

from joulewright.check.families import FAMILIES
from joulewright.check.violation import Violation
from joulewright.check.violations import violations

__all__ = ["FAMILIES", "Violation", "violations"]
