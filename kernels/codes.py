"""Small integers that the kernel's state arrays hold. Rule numbers are those of ``docs/semantics.md``."""

from __future__ import annotations

# state of a TBU = column of its time split (rule 9.1); IDLE time is split into starved and surplus when the spell ends
DEAD, RELOADING, SWITCHING, OWN, LENT, CONTROL, BLOCKED, IDLE, SURPLUS = range(9)
N_CAUSES = 9

# stage of a TBU that waits for its end
PREPARING, RUNNING, CHANGING = 1, 2, 3  # 0: none

# who holds a token, in the order of the waiting line (rule 4.3)
BY_INGRESS, BY_TBU, BY_JOIN, BY_SPILL, BY_SOURCE = range(5)

# what a message is (rule 7.1)
TOKEN, CREDIT, REPORT, ASK, REFUSE = range(5)

# kinds of fingerprinted events (rule 9.4)
EVENT_EXECUTION, EVENT_TRANSFER, EVENT_DECISION, EVENT_HOP = range(1, 5)

# status a kernel returns
DONE, BUDGET, GROW_REQUESTS, GROW_REPORTS, STUCK, TIME_LIMIT, TOO_MANY_VISITS = range(7)
DISPATCH_RAISED, ROUTE_RAISED, REBALANCE_RAISED = range(7, 10)
RAISED = {DISPATCH_RAISED: "dispatch", ROUTE_RAISED: "route", REBALANCE_RAISED: "rebalance"}

NEVER = 2**62  # later than any cycle
NO_EVENT = 2**63 - 1  # after any event of a TBU
MAX_CYCLE = 2**48  # a TBU's next event is kept as cycle << 14 | TBU of the cluster
TBU_BITS = 14
TBU_MASK = 2**TBU_BITS - 1
VISIT_LIMIT = 2**24  # a draw's key has 24 bits for the visit (rule 2.1)
