"""Connections, the transaction scope, and what database errors mean. Everything else gets a `Connection`."""

from wellspring.database.deadline import Deadline
from wellspring.database.scope import Transaction, in_transaction, ping
from wellspring.database.session import WireStatement
from wellspring.plan_cache import Compiled

__all__ = ["Compiled", "Deadline", "Transaction", "WireStatement", "in_transaction", "ping"]
