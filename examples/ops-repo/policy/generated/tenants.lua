-- Rendered by PostMTA. Each tenant's pool: an organization with all its vMTAs, or pinned to a single one.
-- `warming` or a `rate` is for a pool whose vMTAs are all warming: nothing could take what is too much for them.
return {
  co = { organization = "co", pool = "co" },
  ["co.mx1"] = { organization = "co", pool = "co.mx1" },
  ["co.mx2"] = { organization = "co", pool = "co.mx2", warming = true },
}
