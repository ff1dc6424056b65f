--- What KumoMTA reads once, when it starts: a change here, or in the tables used here, needs a restart.

local kumo = require 'kumo'
local log_hook = require 'postmta.log_hook'
local tsa_follow = require 'postmta.tsa_follow'

local M = {}

function M.new(bundle)
  local storage, listeners = bundle.storage, bundle.listeners
  local S = {}

  function S.pre_init()
    bundle.warmup.start()
    kumo.configure_log_hook {
      name = log_hook.NAME,
      meta = log_hook.META,
      -- A waiting message is looked at every minute, and each look makes such a record; the local log has them.
      per_record = { Delayed = { enable = false } },
    }
    bundle.tsa_hook.declare()
    -- The defaults (128 sources, 1024 keys) would make a large installation look everything up again and again.
    kumo.set_lruttl_cache_capacity('egress_source_pools', 16384)
    kumo.set_lruttl_cache_capacity('egress_source_sources', 16384)
    kumo.set_lruttl_cache_capacity('dkim_signer_cache', 16384)
    kumo.set_lruttl_cache_capacity('dkim_key_cache', 16384)
    -- A publication ends in one small file; without this, KumoMTA would hash every shard every ten seconds and
    -- see releases that are still being written.
    kumo.set_config_monitor_globs {
      bundle.dir .. '/current',
      bundle.dir .. '/node.json',
      bundle.dir .. '/live/warmup.json',
      bundle.root .. '/manifest.json',
    }
  end

  function S.init()
    for _, name in ipairs { 'data', 'meta' } do
      kumo.define_spool { name = name, path = storage.spool_path .. '/' .. name, kind = storage.spool_kind }
    end
    kumo.configure_accounting_db_path(storage.spool_path .. '/accounting.db')
    -- Short segments: a closed one can be imported, an open one is lost in a crash.
    kumo.configure_local_logs {
      log_dir = storage.log_path,
      max_segment_duration = '1m',
      meta = log_hook.META,
      -- The record of a failed AUTH holds what the client sent, a secret of somebody; ingestion drops that unread.
      per_record = { Rejection = { enable = false } },
    }
    if #storage.bounce_classifier_files > 0 then
      kumo.configure_bounce_classifier { files = storage.bounce_classifier_files }
    end
    for _, url in ipairs(bundle.tsa.urls) do
      kumo.spawn_task { event_name = tsa_follow.EVENT, args = { url } }
    end
    for _, options in ipairs(listeners.http) do
      kumo.start_http_listener(options)
    end
    for _, options in ipairs(listeners.smtp) do
      kumo.start_esmtp_listener(options)
    end
  end

  return S
end

return M
