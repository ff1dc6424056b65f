"""``/metrics``, for Prometheus and for people."""
