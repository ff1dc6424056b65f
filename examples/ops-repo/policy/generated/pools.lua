-- Rendered by PostMTA. The egress sources of each pool. The order matters: a fresh queue begins with the second
-- entry, so an established vMTA stands there and a warming one before it. Where a pool has both families of addresses,
-- `<pool>/v4` and `<pool>/v6` are what it has for hosts of one family.
return {
  co = { "co.mx2.r1", "co.mx1.r1" },
  ["co.mx1"] = { "co.mx1.r1" },
  ["co.mx2"] = { "co.mx2.r1" },
}
