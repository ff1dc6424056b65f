--- The envelope sender that reports come back to: core.verp on the side of the control plane reads it.

local kumo = require 'kumo'

local M = {}

--- @return `b+<id>`: of a UUID its octets in base32, so that no line of a report that holds it needs folding
function M.local_part(rid)
  local is_uuid, uuid = pcall(kumo.uuid.parse, rid)
  return 'b+' .. (is_uuid and kumo.encode.base32_nopad_encode(uuid.bytes):lower() or rid)
end

return M
