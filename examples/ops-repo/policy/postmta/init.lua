--- The policy's table of contents, and the only place where events are registered.
--
-- Each module builds its functions from the bundle's tables and knows nothing of events; here they are given
-- their events. Single-handler events may be registered once only, and none from inside a handler, so all of it
-- happens in `start`, which the bundle's init.lua calls at the top level.

local kumo = require 'kumo'

local access = require 'postmta.access'
local cancel = require 'postmta.cancel'
local dkim = require 'postmta.dkim'
local domains = require 'postmta.domains'
local egress = require 'postmta.egress'
local families = require 'postmta.families'
local fence = require 'postmta.fence'
local gateway = require 'postmta.gateway'
local greylisting = require 'postmta.greylisting'
local inbound = require 'postmta.inbound'
local live = require 'postmta.live'
local log_hook = require 'postmta.log_hook'
local node = require 'postmta.node'
local placement = require 'postmta.placement'
local providers = require 'postmta.providers'
local queues = require 'postmta.queues'
local reception = require 'postmta.reception'
local release = require 'postmta.release'
local shaping = require 'postmta.shaping'
local startup = require 'postmta.startup'
local submission = require 'postmta.submission'
local tsa = require 'postmta.tsa'
local tsa_follow = require 'postmta.tsa_follow'
local tsa_hook = require 'postmta.tsa_hook'
local validate = require 'postmta.validate'
local warmup = require 'postmta.warmup'

local M = {}

--- Put the bundle to work.
-- @param bundle root (folder of this release), dir (folder of the node: keys, node.json, current) and one field
--   for each generated table
function M.start(bundle)
  bundle.node = node.new(bundle)
  bundle.release = release.new(bundle)
  bundle.domains = domains.new(bundle)
  bundle.dkim = dkim.new(bundle)
  bundle.fence = fence.new(bundle)
  bundle.greylist = greylisting.new(bundle)
  bundle.gateway = gateway.new(bundle)
  bundle.provider = providers.new(bundle)
  bundle.part_of = families.new(bundle)
  bundle.shaping_of = shaping.new(bundle)
  bundle.warmup = warmup.new(bundle)
  bundle.placement = placement.new(bundle)
  bundle.live = live.new(bundle)
  bundle.submission = submission.new(bundle)
  bundle.tsa = bundle.tsa or { urls = {} }
  bundle.tsa_hook = tsa_hook.new(bundle)
  bundle.restrain = tsa.new(bundle).restrain

  local starting = startup.new(bundle)
  kumo.on('pre_init', starting.pre_init)
  kumo.on('init', starting.init)

  local door = access.new(bundle)
  kumo.on('http_server_validate_auth_bearer', door.bearer)
  kumo.on('get_acl_definition', door.acl)
  kumo.on('get_listener_domain', inbound.new(bundle).domain)

  local submitting = bundle.submission
  kumo.on('smtp_server_ehlo', submitting.ehlo)
  kumo.on('smtp_server_auth_plain', submitting.authenticate)
  kumo.on('smtp_server_mail_from', function(sender, session)
    submitting.mail_from(sender, session)
    bundle.gateway.mail_from(sender, session)
  end)
  kumo.on('smtp_server_rcpt_to', function(recipient, session)
    submitting.rcpt_to(recipient, session)
    bundle.gateway.rcpt_to(recipient, session)
  end)
  kumo.on('smtp_server_data', submitting.data)

  local receiving = reception.new(bundle)
  kumo.on('http_message_generated', receiving.http)
  kumo.on('smtp_server_message_received', receiving.smtp)

  local hook = log_hook.new(bundle)
  kumo.on('should_enqueue_log_record', function(message, name)
    if bundle.tsa_hook.is_for(name) then
      return bundle.tsa_hook.should_enqueue(message, name)
    end
    return hook.should_enqueue(message, name)
  end)
  kumo.on(log_hook.CONSTRUCTOR, hook.connect)
  for constructor, connect in pairs(bundle.tsa_hook.constructors) do
    kumo.on(constructor, connect)
  end
  kumo.on(tsa_follow.EVENT, tsa_follow.new(bundle))

  local queueing = queues.new(bundle)
  kumo.on('get_queue_config', queueing.config)
  kumo.on('throttle_insert_ready_queue', queueing.pace)

  local leaving = egress.new(bundle)
  kumo.on('get_egress_pool', leaving.pool)
  kumo.on('get_egress_source', leaving.source)
  kumo.on('get_egress_path_config', leaving.path)

  kumo.on('rebind_message', cancel.rebind)
  kumo.on('validate_config', validate.new(bundle).run)
end

return M
