-- Rendered by PostMTA. Each vMTA: `source` as kumo.make_egress_source takes it, `path` as kumo.make_egress_path; of a
-- pair of addresses the IPv6 one as `<vMTA>.v6`.
-- What a warming one may send stands in live/warmup.json beside the releases, unless it has a rate of its own here: then
-- half of the day's allowance may leave at once and the rest comes back over the day, so that no 24 hours see more.
return {
  ["co.mx1"] = {
    path = { ip_lookup_strategy = "Ipv4Only" },
    source = { ehlo_domain = "mx1.co.com", source_address = "192.0.2.1" },
  },
  ["co.mx2"] = {
    path = { ip_lookup_strategy = "Ipv4Only" },
    source = { ehlo_domain = "mx2.co.com", source_address = "192.0.2.2" },
    warming = true,
  },
}
