--- How much a vMTA sends to a provider, or to a domain, at once.
--
-- A ready queue is of one site, and a provider may have thousands, such as one for each domain that Microsoft hosts. So
-- connections and messages are counted in buckets as well that all sites of a provider share, one for each vMTA. Which
-- provider a site belongs to is found by its domain and its mail exchangers (postmta.providers).

local M = {}

-- Options with a bucket beside them. Its name is its own in the whole process, whatever the path.
local SHARED = {
  connection_limit = 'additional_connection_limits',
  max_message_rate = 'additional_message_rate_throttles',
}

local function merged(first, second)
  local result = {}
  for _, options in ipairs { first or {}, second } do
    for name, value in pairs(options) do
      result[name] = value
    end
  end
  return result
end

--- What the two sources of a pair of addresses may do at a site is what one may: their buckets are common.
-- @param path the options of one of them, which are added to
function M.together(path, vmta, site)
  local bucket = string.format('postmta:%s:=%s', vmta, site)
  for option, shared in pairs(SHARED) do
    if path[option] then
      path[shared] = merged(path[shared], { [bucket] = path[option] })
    end
  end
  return path
end

function M.new(bundle)
  local tables, defaults = bundle.shaping, bundle.installation.path

  --- The options of a path: what is maintained for the provider, then the installation's defaults, then the rules; one
  -- of a domain goes before one of a provider, and one of the organization before one of the installation.
  -- @param vmta `<organization>.<vmta>`
  return function(vmta, domain, provider)
    local path, buckets = {}, {}

    local function settle(limits, target)
      for name, value in pairs(limits or {}) do
        path[name] = value
        if SHARED[name] then
          buckets[name] = target and string.format('postmta:%s:%s', vmta, target)
        end
      end
    end

    local own = tables.organizations[vmta:match '^[^.]*'] or { providers = {}, domains = {} }
    settle(tables.maintained[provider], provider)
    settle(defaults, nil)
    settle(tables.providers[provider], provider)
    settle(own.providers[provider], provider)
    settle(tables.domains[domain], '@' .. domain)
    settle(own.domains[domain], '@' .. domain)
    for name, bucket in pairs(buckets) do
      local option = SHARED[name]
      path[option] = merged(defaults[option], { [bucket] = path[name] })
    end
    return path
  end
end

return M
