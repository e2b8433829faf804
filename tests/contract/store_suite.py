"""The contract of `ports.Store`, `Transaction` and `Analytics`, for every adapter.

An adapter's test module derives from `StoreSuite` and gives it `open_pair`.
"""

from tests.contract.store_suite_logs import LogSuite
from tests.contract.store_suite_queries import QuerySuite
from tests.contract.store_suite_sums import SumsSuite
from tests.contract.store_suite_transactions import TransactionSuite


class StoreSuite(TransactionSuite, QuerySuite, LogSuite, SumsSuite):
    """Every sentence of the ports."""
