--- Which release this is. The number stands in manifest.json alone, so that equal content has equal bytes.

local kumo = require 'kumo'

local M = {}

local read = kumo.memoize(function(path)
  local manifest = kumo.serde.json_load(path)
  return { release = manifest.release, digest = manifest.digest }
end, { name = 'postmta.release', ttl = '5m', capacity = 4, invalidate_with_epoch = true })

--- @return a function that answers the text a probe is refused with
function M.new(bundle)
  return function()
    local manifest = read(bundle.root .. '/manifest.json')
    return string.format('postmta-release=%s digest=%s', manifest.release, manifest.digest)
  end
end

return M
