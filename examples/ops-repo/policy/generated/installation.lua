-- Rendered by PostMTA. Settings for all mail: `queue` as kumo.make_queue_config takes it, `path` as
-- kumo.make_egress_path does.
return {
  bounce_domain = "bounce.postmta.test",
  feedback_sender = "postmta",
  fence = true,
  log_hook_batch_size = 500,
  path = {},
  queue = { max_age = "3 days", max_retry_interval = "4h", retry_interval = "20m" },
  relay_domains = {},
}
