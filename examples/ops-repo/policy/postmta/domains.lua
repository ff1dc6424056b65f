--- Sending domains: too many for a Lua table in every context, so they lie in small JSON files.
--
-- A domain's file is found by its digest, read once, and its entry kept by kumo.memoize for the whole process.

local kumo = require 'kumo'

local M = {}

--- Name of the file that holds `name`: the same rule as compiler.names.shard_of.
-- @param count number of files, a power of two
function M.shard_file(name, count)
  local number = tonumber(kumo.digest.sha256(name).hex:sub(1, 8), 16) % count
  return string.format('%04x.json', number)
end

-- `false`, since a memoized function cannot answer "nothing".
local lookup = kumo.memoize(function(folder, count, name)
  local shard = kumo.serde.json_load(folder .. '/' .. M.shard_file(name, count))
  return shard[name] or false
end, { name = 'postmta.domain', ttl = '1h', capacity = 65536, invalidate_with_epoch = true })

--- @return a function from a domain in lower case to {organization, keys} or false
function M.new(bundle)
  local folder = bundle.root .. '/data/domains'
  local count = bundle.data.domains.shards
  return function(name)
    return lookup(folder, count, name)
  end
end

return M
