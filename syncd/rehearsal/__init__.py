"""What stand-ins of real systems are built from: a small HTTP server, and faults on purpose.

Adapters ship a double of their system, so that anyone can try the whole tool without a CRM; tests use the same doubles.

Not for: production. The server listens on the loopback address alone.
"""

from syncd.rehearsal.double import Double
from syncd.rehearsal.faults import Fault, Faults, no_faults, once, sprinkled
from syncd.rehearsal.http import Handler, Reply, Request, json_reply
from syncd.rehearsal.server import Server, serving

__all__ = [
    "Double",
    "Fault",
    "Faults",
    "Handler",
    "Reply",
    "Request",
    "Server",
    "json_reply",
    "no_faults",
    "once",
    "serving",
    "sprinkled",
]
