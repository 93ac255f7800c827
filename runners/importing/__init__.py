"""Readers of runs that were made elsewhere: each knows one kind of store, and none needs the tool that wrote it."""
