--- What differs from node to node, and its secrets: node.json beside the releases, never inside one.

local kumo = require 'kumo'

local M = {}

-- Read once for each epoch by the whole process, not by every Lua context.
local read = kumo.memoize(function(path)
  return kumo.serde.json_load(path)
end, { name = 'postmta.node', ttl = '5m', capacity = 4, invalidate_with_epoch = true })

--- @return a function that answers node, ingest_url, ingest_token and admin_token; it raises without a node.json
function M.new(bundle)
  return function()
    return read(bundle.dir .. '/node.json')
  end
end

return M
