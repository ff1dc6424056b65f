-- Rendered by PostMTA. Each vMTA: `source` as kumo.make_egress_source takes it, `path` as kumo.make_egress_path; of a
-- pair of addresses the IPv6 one as `<vMTA>.v6`.
-- What a warming one may send stands in live/warmup.json beside the releases, unless it has a rate of its own here: then
-- half of the day's allowance may leave at once and the rest comes back over the day, so that no 24 hours see more.
return {
  ["acme.mx-1"] = {
    path = { ip_lookup_strategy = "Ipv4Only" },
    source = { ehlo_domain = "mx-1.acme.example", source_address = "192.0.2.11" },
  },
  ["acme.mx-2"] = {
    path = {
      additional_source_selection_rates = { ["postmta:acme.mx-2.r3:daily"] = "101/d,max_burst=99" },
      ip_lookup_strategy = "Ipv4Only",
    },
    source = { ehlo_domain = "mx-2.acme.example", source_address = "192.0.2.12" },
  },
  ["globex-2.v4"] = {
    path = { ip_lookup_strategy = "Ipv4Only" },
    source = { ehlo_domain = "v4.globex-2.example", source_address = "198.51.100.7" },
  },
  ["globex-2.v6"] = {
    path = { ip_lookup_strategy = "Ipv6Only" },
    source = { ehlo_domain = "v6.globex-2.example", source_address = "2001:db8::7" },
  },
}
