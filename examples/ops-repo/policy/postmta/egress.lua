--- Where mail leaves from: pools, sources, and the limits of each path.
--
-- KumoMTA caches pools and sources for their `ttl` whatever the epoch: one second lets a published change through.
-- It freezes a source's address in a busy ready queue, so sources are versioned: `<organization>.<vmta>.r<version>`,
-- and `.v6` after it for the IPv6 address of a pair.

local kumo = require 'kumo'
local log_hook = require 'postmta.log_hook'
local providers = require 'postmta.providers'
local shaping = require 'postmta.shaping'
local sources = require 'postmta.sources'

local M = {}

local TTL = '1s'

local function merged(...)
  local result = {}
  for _, options in ipairs { ... } do
    for name, value in pairs(options) do
      result[name] = value
    end
  end
  return result
end

function M.new(bundle)
  local E = {}

  local vmta_of = sources.new(bundle)

  local function is_warming(source)
    local vmta = source and vmta_of(source)
    return vmta and vmta.warming
  end

  --- The sources of a pool that anything may leave from now, on this node. Without the warming one that the list
  -- begins with, another takes its place, for the second place is where a fresh queue begins: an established one's.
  local function open_sources(name)
    local open, pool = {}, bundle.pools[name] or {}
    for _, source in ipairs(bundle.placement.sources(name)) do
      if not is_warming(source) or bundle.warmup.is_open(sources.vmta(source)) then
        table.insert(open, source)
      end
    end
    if open[1] ~= pool[1] and is_warming(open[#open]) then
      table.insert(open, 1, table.remove(open))
    end
    return open
  end

  --- Answers get_egress_pool. A pool without entries defers its mail.
  function E.pool(name)
    local entries, weights = {}, bundle.weights[name] or {}
    for i, source in ipairs(open_sources(name)) do
      entries[i] = { name = source, weight = weights[source] }
    end
    return kumo.make_egress_pool { name = name, entries = entries, ttl = TTL }
  end

  --- Answers get_egress_source.
  function E.source(name)
    local vmta = vmta_of(name)
    if not vmta then
      error('no vMTA for egress source ' .. name)
    end
    return kumo.make_egress_source(merged(vmta.source, { name = name, ttl = TTL }))
  end

  --- Answers get_egress_path_config; also asked for queues that are no mail, with the source `unspecified`.
  function E.path(routing_domain, source_name, site)
    if routing_domain == log_hook.QUEUE then
      return kumo.make_egress_path(log_hook.PATH)
    end
    local to_daemon = bundle.tsa_hook.path(routing_domain)
    if to_daemon then
      return kumo.make_egress_path(to_daemon)
    end
    if routing_domain == 'generator.kumomta.internal' then
      -- Deferred generation is work for the CPUs, not for a remote host's limits.
      return kumo.make_egress_path { connection_limit = 4, max_ready = 80000, refresh_strategy = 'Epoch' }
    end
    local vmta = vmta_of(source_name)
    if not vmta then
      return kumo.make_egress_path(merged(bundle.installation.path, { refresh_strategy = 'Epoch' }))
    end
    local name = sources.vmta(source_name)
    -- A smart host is one site for all domains, and so one path: whose mail it is cannot be told apart there.
    local by_mx = not bundle.installation.queue.protocol
    local provider = by_mx and bundle.provider(routing_domain, site) or providers.OTHER
    local settled = { refresh_strategy = 'Epoch', provider_name = provider ~= providers.OTHER and provider or nil }
    if vmta.warming then
      settled.additional_source_selection_rates = bundle.warmup.rates(name, provider)
    end
    local limits = by_mx and bundle.shaping_of(name, routing_domain, provider) or bundle.installation.path
    local options = merged(vmta.path, limits, settled)
    if bundle.sources[name .. '.v6'] then
      options = shaping.together(options, name, site)
    end
    return kumo.make_egress_path(bundle.restrain(options, source_name, routing_domain, by_mx and site or nil))
  end

  return E
end

return M
