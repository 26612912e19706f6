"""The ledger and its methods: what a schedule uses, costs, emits and achieves."""

from joulewright.account.change import Change, split_change
from joulewright.account.connection import ConnectionReport, connection_report
from joulewright.account.entry import SECTIONS, LedgerRow
from joulewright.account.ledger import Ledger, settle
from joulewright.account.load import SiteLoad, WorkEnergy, job_energy, service_energy, site_load
from joulewright.account.methods import MethodFigure, carbon_methods, methods_frame
from joulewright.account.work import JobOutcome, job_outcome

__all__ = [
    "SECTIONS",
    "Change",
    "ConnectionReport",
    "JobOutcome",
    "Ledger",
    "LedgerRow",
    "MethodFigure",
    "SiteLoad",
    "WorkEnergy",
    "carbon_methods",
    "connection_report",
    "job_energy",
    "job_outcome",
    "methods_frame",
    "service_energy",
    "settle",
    "site_load",
    "split_change",
]
