"""Experiments with faults: a load that keeps a ledger, something that breaks, and a checker that reads both."""
