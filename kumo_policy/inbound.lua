--- Which domains this node takes mail for: the one that bounces and complaints come back to, those it relays to, and
-- from who has authenticated any.

local kumo = require 'kumo'

local M = {}

function M.new(bundle)
  local I = {}

  --- Answers get_listener_domain. Reports are logged and dropped; relaying them would make a loop.
  function I.domain(domain, _, connection)
    if domain:lower() == bundle.installation.bounce_domain then
      return kumo.make_listener_domain { log_oob = 'LogThenDrop', log_arf = 'LogThenDrop' }
    end
    if bundle.gateway.takes(domain) or connection:get_meta 'x_credential' then
      return kumo.make_listener_domain { relay_to = true }
    end
    return nil
  end

  return I
end

return M
