"""Systems with known answers, simulated through the public API and compared: ``octomodel.verify``."""

from octomodel.verification.report import FAMILY_ERROR, Report
from octomodel.verification.run import verify

__all__ = ["FAMILY_ERROR", "Report", "verify"]
