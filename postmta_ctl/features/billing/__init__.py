"""Billing: plans, invoices, and how they are paid."""
