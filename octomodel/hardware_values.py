"""What a machine is described by: the place of each value in files, and the limits of the plain ones."""

from __future__ import annotations

MAX_CLUSTERS = 2**20
MAX_TBUS = 2**26

PATHS: dict[str, str] = {
    "rows": "rows",
    "cols": "cols",
    "torus": "torus",
    "clock_hz": "clock_hz",
    "epoch_cycles": "epoch_cycles",
    "surplus_after_cycles": "surplus_after_cycles",
    "report_bytes": "report_bytes",
    "control_bytes": "control_bytes",
    "cluster.tbus": "tbus",
    "cluster.cbus": "cbus",
    "cluster.decision_cycles": "decision_cycles",
    "cluster.queue_slots": "queue_slots",
    "cluster.spill_slots": "spill_slots",
    "cluster.local_bytes_per_cycle": "local_bytes_per_cycle",
    "cluster.local_latency_cycles": "local_latency_cycles",
    "cluster.reload_bytes_per_cycle": "reload_bytes_per_cycle",
    "tbu.peas": "peas",
    "tbu.speed": "tbu_speed",
    "tbu.memory_bytes": "memory_bytes",
    "tbu.resident_slots": "resident_slots",
    "tbu.background_load": "background_load",
    "tbu.switch_cycles": "switch_cycles",
    "tbu.reload_cycles": "reload_cycles",
    "link.bytes_per_cycle": "link_bytes_per_cycle",
    "link.latency_cycles": "link_latency_cycles",
    "die.size": "die",
    "die.link_bytes_per_cycle": "die_link_bytes_per_cycle",
    "die.link_latency_cycles": "die_link_latency_cycles",
    "faults.dead_tbus": "dead_tbus",
    "faults.dead_links": "dead_links",
    "faults.tbu_rate": "tbu_fault_rate",
    "faults.link_rate": "link_fault_rate",
    "faults.seed": "fault_seed",
}
"""Place of each value in files and dotted paths, and its name in Python."""

INTEGERS = (
    ("rows", 1, 2**20),
    ("cols", 1, 2**20),
    ("tbus", 1, 2**14),  # an event of a TBU is kept as cycle << 14 | TBU
    ("cbus", 0, 2**14),  # busy cycles of a cluster stay below 2^62
    ("peas", 1, 2**20),
    ("resident_slots", 1, 2**10),
    ("switch_cycles", 0, 2**48),
    ("reload_cycles", 0, 2**48),
    ("local_latency_cycles", 0, 2**48),
    ("link_latency_cycles", 1, 2**48),
    ("die_link_latency_cycles", 1, 2**48),
    ("decision_cycles", 0, 2**48),
    ("epoch_cycles", 1, 2**48),
    ("report_bytes", 0, 2**48),
    ("control_bytes", 0, 2**48),
    ("fault_seed", 0, 2**63 - 1),
)
OPTIONAL = (("memory_bytes", 1, 2**48), ("spill_slots", 0, 2**31), ("surplus_after_cycles", 0, 2**48))
RATES = (
    "reload_bytes_per_cycle",
    "local_bytes_per_cycle",
    "link_bytes_per_cycle",
    "die_link_bytes_per_cycle",
)
