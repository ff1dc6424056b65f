-- Rendered by PostMTA. Greylisting of mail that strangers send to the domains we relay to; times in seconds.
return {
  allow_after = 5,
  allowed_domains = {},
  allowed_networks = {},
  delay = 300,
  enabled = false,
  lifetime = 3024000,
  window = 172800,
}
