-- Rendered by PostMTA. Each tenant's pool: an organization with all its vMTAs, or pinned to a single one.
-- `warming` or a `rate` is for a pool whose vMTAs are all warming: nothing could take what is too much for them.
return {
  acme = { organization = "acme", pool = "acme" },
  ["acme.mx-1"] = { organization = "acme", pool = "acme.mx-1" },
  ["acme.mx-2"] = { organization = "acme", pool = "acme.mx-2", rate = "101/d,max_burst=99" },
  ["globex-2"] = { organization = "globex-2", pool = "globex-2" },
  ["globex-2.v4"] = { organization = "globex-2", pool = "globex-2.v4" },
  ["globex-2.v6"] = { organization = "globex-2", pool = "globex-2.v6" },
}
