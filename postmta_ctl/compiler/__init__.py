"""From rows to a policy bundle, as pure functions: model → build → check → render → bundle."""
