"""入库 taking: rows prepared in several processes, written by COPY, one transaction a batch."""
