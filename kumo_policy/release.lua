--- Which release this is. The number stands in manifest.json alone, so that equal content has equal bytes.

local kumo = require 'kumo'

local M = {}

local read = kumo.memoize(function(path)
  local manifest = kumo.serde.json_load(path)
  return { release = manifest.release, digest = manifest.digest }
end, { name = 'postmta.release', ttl = '5m', capacity = 4, invalidate_with_epoch = true })

--- @return a function that answers this release's `release` (its number) and `digest`
function M.new(bundle)
  return function()
    return read(bundle.root .. '/manifest.json')
  end
end

--- The text that a probe is refused with.
function M.text(manifest)
  return string.format('postmta-release=%s digest=%s', manifest.release, manifest.digest)
end

return M
