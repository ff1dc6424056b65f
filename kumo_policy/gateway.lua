--- Mail that strangers send to the domains we relay to: taken in, greylisted if that is on, and passed on.

local kumo = require 'kumo'
local addresses = require 'postmta.addresses'

local M = {}

function M.new(bundle)
  local domains = bundle.installation.relay_domains
  local relay_hosts = {}
  for _, listener in ipairs(bundle.listeners.smtp) do
    table.move(listener.relay_hosts, 1, #listener.relay_hosts, #relay_hosts + 1, relay_hosts)
  end
  local may_relay = addresses.set(relay_hosts)
  local G = {}

  --- Whether a client may neither relay nor has authenticated.
  local function is_stranger(session)
    local known = session:get_meta 'x_credential' or session:get_meta 'authn_id'
    return not known and not may_relay(session:get_meta 'received_from')
  end

  --- Whether we pass mail for a domain on.
  function G.takes(domain)
    return domains[domain:lower()] ~= nil
  end

  --- Answers smtp_server_mail_from.
  function G.mail_from(sender, session)
    bundle.greylist.mail_from(sender, session)
  end

  --- Answers smtp_server_rcpt_to.
  function G.rcpt_to(recipient, session)
    if G.takes(recipient.domain) and is_stranger(session) then
      bundle.greylist.rcpt_to(recipient, session)
    end
  end

  --- Whether a message comes in for one of the domains; then nothing of ours is changed in it.
  function G.receive(message, session)
    if not is_stranger(session) then
      return false
    end
    for _, recipient in ipairs(message:recipient_list()) do
      if not G.takes(recipient.domain) then
        return false
      end
    end
    bundle.greylist.note(message, session)
    return true
  end

  --- Options of the scheduled queue of a domain, where its own server is the only host, or nil for other domains.
  function G.queue(domain)
    local hosts = domains[domain:lower()]
    if hosts then
      return kumo.make_queue_config {
        protocol = { smtp = { mx_list = hosts } },
        retry_interval = bundle.installation.queue.retry_interval,
        max_retry_interval = bundle.installation.queue.max_retry_interval,
        max_age = bundle.installation.queue.max_age,
        refresh_strategy = 'Epoch',
      }
    end
  end

  return G
end

return M
