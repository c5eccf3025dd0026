"""syncd: keeps a sales pipeline honest by judging CRM opportunities against the MSSP process chart."""

__version__ = "0.1.0"
