"""Customers' webhooks: endpoints, the outbox that events are written to, and delivery."""
