-- Rendered by PostMTA. Where KumoMTA keeps mail and logs. A change needs a restart of the node.
return {
  bounce_classifier_files = {},
  log_path = "/var/log/kumomta",
  spool_kind = "RocksDB",
  spool_path = "/var/spool/kumomta",
}
