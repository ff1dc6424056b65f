--- What happens to a message on its way in: whose it is, whether it may leave, and its signatures last.
--
-- Refusals begin with a word that does not change, `postmta-…`; the control plane looks for it in the answer.

local kumo = require 'kumo'
local headers = require 'postmta.headers'
local release = require 'postmta.release'
local verp = require 'postmta.verp'

local M = {}

local function refuse(word, text)
  kumo.reject(550, string.format('5.7.1 postmta-%s: %s', word, text))
end

--- The one address in the From field (RFC 5322, 3.6.2), and its domain in lower case.
local function from_address(message)
  -- What cannot be parsed raises.
  local parsed, from = pcall(message.from_header, message)
  local addresses = parsed and from and from.list or {}
  -- Of two From fields a reader may be shown the other one.
  local is_one = #addresses == 1 and #message:get_all_named_header_values 'From' == 1
  local domain = is_one and addresses[1].domain
  if not domain or domain == '' then
    refuse('bad-from', 'the From field must hold exactly one address')
  end
  return addresses[1].email, domain:lower()
end

local function text_or_nil(value)
  if type(value) == 'string' and value ~= '' then
    return value
  end
end

function M.new(bundle)
  local tenants = bundle.tenants
  local installation = bundle.installation
  local R = {}

  --- The organization's own, verified domain, or a refusal.
  local function sending_domain(name, organization)
    local domain = bundle.domains(name)
    if not domain or (organization and domain.organization ~= organization) then
      refuse('foreign-domain', string.format('%s is not a verified domain of the sender', name))
    end
    return domain
  end

  --- Whether the organization must not send to a recipient of the message.
  local function is_suppressed(message, organization)
    for _, recipient in ipairs(message:recipient_list()) do
      if bundle.live.suppressed(organization, recipient.email) then
        return true
      end
    end
    return false
  end

  local function assign(message, tenant, campaign, rid)
    message:set_meta('tenant', tenant)
    if campaign then
      message:set_meta('campaign', campaign)
    end
    message:set_meta('x_rid', rid)
    -- So that it can be explained by the policy that it met, whatever runs by then.
    message:set_meta('x_release', bundle.release().release)
    message:set_sender(verp.local_part(rid) .. '@' .. installation.bounce_domain)
  end

  --- What all mail goes through, whichever way it came, once it is known to be its sender's.
  -- @param mail organization, tenant, campaign, rid, domain and its keys
  local function send_off(message, mail)
    assign(message, mail.tenant, mail.campaign, mail.rid)
    headers.feedback(message, mail.campaign, mail.organization, mail.tenant, installation.feedback_sender)
    -- Nothing may change the message after this.
    bundle.dkim(message, mail.domain, mail.keys)
  end

  --- Mail from the control plane; what it says of a recipient is in meta `extra`.
  function R.http(message)
    local extra = message:get_meta 'extra' or {}
    if extra.probe then
      -- A refused recipient leaves no record and no mail: a question that costs nothing.
      kumo.reject(550, release.text(bundle.release()))
    end
    local tenant, rid = text_or_nil(extra.tenant), text_or_nil(extra.rid)
    if not tenant or not tenants[tenant] then
      refuse('unknown-tenant', string.format('%q is not known to this release', tostring(extra.tenant)))
    end
    if not rid then
      refuse('no-rid', 'metadata.rid is missing')
    end
    local organization = tenants[tenant].organization
    local _, name = from_address(message)
    local domain = sending_domain(name, organization)
    if is_suppressed(message, organization) then
      refuse('suppressed', 'this address must get no more mail from the sender')
    end
    local campaign = text_or_nil(extra.campaign)
    send_off(message, {
      organization = organization,
      tenant = tenant,
      campaign = campaign,
      rid = rid,
      domain = name,
      keys = domain.keys,
    })
    -- After everything that can fail, so that a refused message may come again. `attempt` lets the control plane
    -- repeat what this node is known not to have taken.
    if not bundle.fence(rid .. '#' .. tostring(extra.attempt or 1)) then
      kumo.reject(550, 'postmta-duplicate rid=' .. rid)
    end
  end

  local function is_report(message)
    for _, recipient in ipairs(message:recipient_list()) do
      if recipient.domain:lower() == installation.bounce_domain then
        return true
      end
    end
    return false
  end

  --- What the control plane makes the message and its recipient from, since it has not seen them.
  local function note(message, from, asked, connection)
    message:set_meta('x_smtp', {
      from = from,
      subject = asked.subject,
      tags = asked.tags,
      unsubscribe = asked.unsubscribe,
      send_at = asked.send_at,
      username = connection:get_meta 'x_credential',
    })
  end

  local function tenant_of(organization, vmta, pool)
    local tenant = vmta and organization .. '.' .. vmta or pool or organization
    if not tenants[tenant] then
      refuse('unknown-vmta', 'X-PostMTA-Vmta names no vMTA of yours')
    end
    return tenant
  end

  local function elsewhere_only(tenant)
    return bundle.placement.elsewhere(tenants[tenant].pool)
  end

  --- Mail that was submitted with a credential, or comes from a host that may relay: then the From domain says whose
  -- it is.
  function R.smtp(message, connection)
    if is_report(message) then
      return -- KumoMTA reads and drops it
    end
    if bundle.gateway.receive(message, connection) then
      return
    end
    local credential = bundle.submission.credential(connection)
    local from, name = from_address(message)
    local domain = sending_domain(name, credential and credential.organization)
    if credential and not bundle.submission.allows(credential, name) then
      refuse('foreign-domain', 'this credential may not send for ' .. name)
    end
    local organization = domain.organization
    bundle.submission.put_off_blocked(organization, name)
    local asked, rid = headers.take(message), kumo.uuid.new_v7().hyphenated
    local tenant = tenant_of(organization, asked.vmta, domain.pool)
    if elsewhere_only(tenant) then
      -- Here it would wait until it expires. Mail of the control plane goes to the right node by itself.
      kumo.reject(451, string.format('4.3.5 postmta-elsewhere: %s leaves from %s', tenant, elsewhere_only(tenant)))
    end
    note(message, from, asked, connection)
    if is_suppressed(message, organization) then
      -- A refusal here would be one of all recipients. The record of the reception tells what became of this one.
      assign(message, tenant, asked.campaign, rid)
      message:set_meta('x_suppressed', true)
      message:set_meta('queue', 'null')
      return
    end
    if asked.send_at then
      message:set_scheduling { first_attempt = os.date('!%Y-%m-%dT%H:%M:%SZ', asked.send_at) }
    end
    headers.complete(message, message:get_meta 'x_mid' or rid, name)
    if asked.unsubscribe then
      headers.unsubscribe(message, bundle.node(), rid)
    end
    send_off(message, {
      organization = organization,
      tenant = tenant,
      campaign = asked.campaign,
      rid = rid,
      domain = name,
      keys = domain.keys,
    })
  end

  return R
end

return M
