-- Rendered by PostMTA. The egress sources of each pool. The order matters: a fresh queue begins with the second
-- entry, so an established vMTA stands there and a warming one before it. Where a pool has both families of addresses,
-- `<pool>/v4` and `<pool>/v6` are what it has for hosts of one family.
return {
  acme = { "acme.mx-2.r3", "acme.mx-1.r1" },
  ["acme.mx-1"] = { "acme.mx-1.r1" },
  ["acme.mx-2"] = { "acme.mx-2.r3" },
  ["globex-2"] = { "globex-2.v6.r1" },
  ["globex-2.v4"] = {},
  ["globex-2.v6"] = { "globex-2.v6.r1" },
}
