"""Credits: balances, the ledger they come from, and alerts."""
