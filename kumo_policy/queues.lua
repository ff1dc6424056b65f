--- Scheduled queues: how long and how often a message is tried, and from which pool.

local kumo = require 'kumo'
local log_hook = require 'postmta.log_hook'
local sources = require 'postmta.sources'

local M = {}

-- For a tenant that no longer exists: a pool without sources, so that its mail waits and expires. Without a pool
-- it would leave from the host's default address. No slug can hold an underscore, so the name is never taken.
M.NO_POOL = 'unknown_tenant'

function M.new(bundle)
  local Q = {}

  local function vmtas_of(pool)
    local vmtas, seen = {}, {}
    for _, source in ipairs(bundle.placement.sources(pool)) do
      local vmta = sources.vmta(source)
      if not seen[vmta] then
        seen[vmta] = true
        table.insert(vmtas, vmta)
      end
    end
    return vmtas
  end

  --- Answers get_queue_config.
  function Q.config(domain, tenant, _campaign, routing_domain)
    if domain == log_hook.QUEUE then
      return kumo.make_queue_config(log_hook.queue_options(bundle.installation))
    end
    local to_daemon = bundle.tsa_hook.queue(domain)
    if to_daemon then
      return kumo.make_queue_config(to_daemon)
    end
    local inbound = not tenant and bundle.gateway.queue(domain)
    if inbound then
      return inbound
    end
    -- Mail for a named pool that was deleted leaves as other mail of the organization does.
    local known = tenant and (bundle.tenants[tenant] or bundle.tenants[tenant:match '^(.+)%._'])
    local pool = known and bundle.part_of(known.pool, routing_domain or domain)
    local options = { egress_pool = pool or M.NO_POOL, refresh_strategy = 'Epoch' }
    for name, value in pairs(bundle.installation.queue) do
      options[name] = value
    end
    return kumo.make_queue_config(options)
  end

  --- Answers throttle_insert_ready_queue: a tenant whose vMTAs are all warming waits here, where no attempt is
  -- counted. Once in the ready queue it would fail with "no sources eligible" and be put back ever longer.
  function Q.pace(message)
    local known = bundle.tenants[message:get_meta 'tenant' or '']
    if not known or log_hook.is_record(message) then
      return
    end
    -- Of a pool that is warming on this node only, the other nodes' vMTAs are no way out.
    if not (known.rate or known.warming or bundle.placement.is_warming(known.pool)) then
      return
    end
    -- An error here would orphan the message until the next restart.
    local ok, problem = pcall(function()
      local rate = known.rate or bundle.warmup.pool_rate(vmtas_of(known.pool))
      if rate then
        kumo.make_throttle('postmta:' .. known.pool, rate):delay_message_if_throttled(message)
      end
    end)
    if not ok then
      kumo.log_error('pacing ' .. known.pool .. ': ' .. tostring(problem))
    end
  end

  return Q
end

return M
