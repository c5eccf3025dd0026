"""What adapters of systems with an HTTP API share: a client that waits, repeats and authenticates politely.

    settings    what every such source may carry in the configuration
    auth        credentials: from a secret reference to the header of a request
    budget      how many requests at once, how many a second
    client      one request: its repeats, its time limits, what comes back
    links       addresses that answers carry, kept on the configured host
    reactions   what an answer asks for

Not for: what a system's paths, fields and error codes mean; each adapter knows its own.
"""

from syncd.httpkit.bodies import Body
from syncd.httpkit.budget import Budget
from syncd.httpkit.client import Answer, Clock, HttpClient, Refused
from syncd.httpkit.reactions import Reaction, usual_reaction
from syncd.httpkit.settings import HttpSettings

__all__ = ["Answer", "Body", "Budget", "Clock", "HttpClient", "HttpSettings", "Reaction", "Refused", "usual_reaction"]
