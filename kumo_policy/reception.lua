--- What happens to a message on its way in: whose it is, whether it may leave, and its signatures last.
--
-- Refusals begin with a word that does not change, `postmta-…`; the control plane looks for it in the answer.

local kumo = require 'kumo'
local verp = require 'postmta.verp'

local M = {}

local function refuse(word, text)
  kumo.reject(550, string.format('5.7.1 postmta-%s: %s', word, text))
end

--- The one domain in the From field (RFC 5322, 3.6.2), in lower case.
local function from_domain(message)
  -- What cannot be parsed raises.
  local parsed, from = pcall(message.from_header, message)
  local addresses = parsed and from and from.list or {}
  local domain = #addresses == 1 and addresses[1].domain
  if not domain or domain == '' then
    refuse('bad-from', 'the From field must hold exactly one address')
  end
  return domain:lower()
end

local function text_or_nil(value)
  if type(value) == 'string' and value ~= '' then
    return value
  end
end

function M.new(bundle)
  local tenants = bundle.tenants
  local bounce_domain = bundle.installation.bounce_domain
  local R = {}

  --- The organization's own, verified domain, or a refusal.
  local function sending_domain(message, organization)
    local name = from_domain(message)
    local domain = bundle.domains(name)
    if not domain or (organization and domain.organization ~= organization) then
      refuse('foreign-domain', string.format('%s is not a verified domain of the sender', name))
    end
    return name, domain
  end

  local function assign(message, tenant, campaign, rid)
    message:set_meta('tenant', tenant)
    if campaign then
      message:set_meta('campaign', campaign)
    end
    if rid then
      message:set_meta('x_rid', rid)
      -- VERP: the address that bounces come back to names the recipient.
      message:set_sender(verp.local_part(rid) .. '@' .. bounce_domain)
    end
  end

  --- Mail from the control plane; what it says of a recipient is in meta `extra`.
  function R.http(message)
    local extra = message:get_meta 'extra' or {}
    if extra.probe then
      -- A refused recipient leaves no record and no mail: a question that costs nothing.
      kumo.reject(550, bundle.release())
    end
    local tenant, rid = text_or_nil(extra.tenant), text_or_nil(extra.rid)
    if not tenant or not tenants[tenant] then
      refuse('unknown-tenant', string.format('%q is not known to this release', tostring(extra.tenant)))
    end
    if not rid then
      refuse('no-rid', 'metadata.rid is missing')
    end
    local name, domain = sending_domain(message, tenants[tenant].organization)
    assign(message, tenant, text_or_nil(extra.campaign), rid)
    bundle.dkim(message, name, domain.keys)
    -- After everything that can fail, so that a refused message may come again. `attempt` lets the control plane
    -- repeat what this node is known not to have taken.
    if not bundle.fence(rid .. '#' .. tostring(extra.attempt or 1)) then
      kumo.reject(550, 'postmta-duplicate rid=' .. rid)
    end
  end

  --- Mail by SMTP from a host that may relay: the From domain says whose it is.
  function R.smtp(message)
    for _, recipient in ipairs(message:recipient_list()) do
      if recipient.domain:lower() == bounce_domain then
        return -- a delivery report or a complaint: KumoMTA reads and drops it
      end
    end
    local name, domain = sending_domain(message)
    assign(message, domain.organization)
    bundle.dkim(message, name, domain.keys)
  end

  return R
end

return M
