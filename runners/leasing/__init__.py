"""Leases on GPUs and CPU slots: lock files that the kernel frees, and processes on a GPU that no lease explains."""
