"""PostMTA: the control plane for KumoMTA."""
