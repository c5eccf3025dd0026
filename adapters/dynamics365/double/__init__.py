"""A stand-in of Dataverse: its sign-in, its Web API, its habits.

    tables      rows, their versions and deletions, the types of columns
    queries     conditions, paging, change tracking, aggregates
    metadata    what the service says of its tables
    holdings    the tables, a clock, and the ways tests change them
    directory   tokens
    service     requests and answers

Not for: writing through the API, which this version of the adapter does not do.
"""

from adapters.dynamics365.double.service import Dynamics365Double

__all__ = ["Dynamics365Double"]
