--- Cancelling single messages: an admin rebind with trigger_rebind_event and data.cancel_ids = "rid,rid,…".

local log_hook = require 'postmta.log_hook'

local M = {}

--- Answers rebind_message: a message that is named goes to the queue `null`, which discards it.
function M.rebind(message, data)
  local rid = message:get_meta 'x_rid'
  if not rid or not data.cancel_ids or log_hook.is_record(message) then
    return
  end
  if (',' .. data.cancel_ids .. ','):find(',' .. rid .. ',', 1, true) then
    message:set_meta('queue', 'null')
  end
end

return M
