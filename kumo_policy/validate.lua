--- `kumod --validate` runs no traffic handler by itself: this one walks every tenant to its sources and paths.

local kumo = require 'kumo'
local log_hook = require 'postmta.log_hook'

local M = {}

local MAX_SHARDS = 65536

function M.new(bundle)
  local V = {}

  local function try(what, call, ...)
    local ok, problem = pcall(call, ...)
    if not ok then
      print(what .. ': ' .. tostring(problem))
      kumo.validation_failed()
    end
  end

  local function expect(condition, what)
    if not condition then
      print(what)
      kumo.validation_failed()
    end
  end

  local function check_pools()
    for pool, sources in pairs(bundle.pools) do
      try('pool ' .. pool, kumo.invoke_get_egress_pool, pool)
      for _, source in ipairs(sources) do
        try('source ' .. source, kumo.invoke_get_egress_source, source)
        try('path of ' .. source, kumo.invoke_get_egress_path_config, 'example.com', source, 'mx.example.com')
      end
    end
  end

  -- An address in the place of the recipient's domain: a policy is judged without asking any DNS.
  local function check_tenants()
    for pool in pairs(bundle.weights) do
      expect(bundle.pools[pool], string.format('weights of no pool %s', pool))
    end
    for tenant, known in pairs(bundle.tenants) do
      expect(bundle.pools[known.pool], string.format('tenant %s: no pool %s', tenant, known.pool))
      try('queue of tenant ' .. tenant, kumo.invoke_get_queue_config, tenant .. '@[192.0.2.1]')
      if known.rate then
        try('rate of tenant ' .. tenant, kumo.make_throttle, 'postmta:' .. known.pool, known.rate)
      end
    end
  end

  local function check_shard(path)
    for name, domain in pairs(kumo.serde.json_load(path)) do
      for _, tenant in ipairs { domain.organization, domain.pool } do
        expect(bundle.tenants[tenant], string.format('domain %s: no tenant %s', name, tenant))
      end
    end
  end

  -- Of the shards those that are there: a proof may lay out only what changed. That none is missing is seen without
  -- running anything.
  local function check_domains()
    local count = bundle.data.domains.shards
    -- The names have four digits; and nothing would stop kumod from counting up to whatever stands there.
    if count > MAX_SHARDS then
      expect(false, string.format('domains: %d shards, more than %d', count, MAX_SHARDS))
      return
    end
    for shard = 0, count - 1 do
      local path = string.format('%s/data/domains/%04x.json', bundle.root, shard)
      local file = io.open(path, 'r')
      if file then
        file:close()
        try(path, check_shard, path)
      end
    end
  end

  local function check_limits(rules)
    for _, kind in ipairs { 'maintained', 'providers', 'domains' } do
      for name, limits in pairs(rules[kind] or {}) do
        try('limits of ' .. name, kumo.make_egress_path, limits)
      end
    end
  end

  local function check_shaping()
    check_limits(bundle.shaping)
    for organization, rules in pairs(bundle.shaping.organizations) do
      expect(bundle.tenants[organization], string.format('shaping of no organization %s', organization))
      check_limits(rules)
    end
  end

  local function check_relay_domains()
    for name in pairs(bundle.installation.relay_domains) do
      try('queue of relay domain ' .. name, kumo.invoke_get_queue_config, name)
    end
  end

  --- Answers validate_config.
  function V.run()
    check_pools()
    check_tenants()
    check_domains()
    check_relay_domains()
    check_shaping()
    try('acl.toml', kumo.aaa.load_acl_map, bundle.root .. '/acl.toml')
    try('manifest.json', bundle.release)
    try('log hook queue', kumo.invoke_get_queue_config, log_hook.QUEUE)
    try('log hook path', kumo.invoke_get_egress_path_config, log_hook.QUEUE, 'unspecified', log_hook.QUEUE)
    try('unknown tenant', kumo.invoke_get_queue_config, 'nobody@example.com')
  end

  return V
end

return M
