--- SMTP submission (RFC 6409): who may, for which sender domain, and to whom.
--
-- A listener for it carries the connection meta `x_submission`. KumoMTA offers AUTH PLAIN, and only after STARTTLS.
-- A session keeps its organization as the meta `tenant`, and what it proved itself by as `x_credential` (the user
-- name) and `x_secret_digest` (the beginning of the secret's digest); what it may is looked up anew with each message.

local kumo = require 'kumo'
local live = require 'postmta.live'

local M = {}

local function contains(list, wanted)
  for _, value in ipairs(list) do
    if value == wanted then
      return true
    end
  end
  return false
end

local function is_over(moment)
  return moment ~= nil and moment <= kumo.time.now().unix_timestamp
end

--- Whether a credential has a secret whose digest begins like this. Who could make digests that meet in their
-- beginning could not find the secret of one, so comparing them tells nothing, however long it takes.
local function proves(credential, digest)
  if not credential or is_over(credential.expires) then
    return false
  end
  for _, secret in ipairs(credential.secrets) do
    if secret.digest:sub(1, #digest) == digest and not is_over(secret['until']) then
      return true
    end
  end
  return false
end

local function is_within(networks, peer)
  local map = {}
  for _, network in ipairs(networks) do
    map[network] = true
  end
  return kumo.cidr.make_map(map)[peer] == true
end

function M.new(bundle)
  local S = {}

  --- Answers smtp_server_ehlo: AUTH is offered where it is taken.
  function S.ehlo(_, connection, extensions)
    if not extensions or connection:get_meta 'x_submission' then
      return nil
    end
    local offered = {}
    for _, extension in ipairs(extensions) do
      if not extension:find '^AUTH' then
        table.insert(offered, extension)
      end
    end
    return offered
  end

  --- Answers smtp_server_auth_plain (RFC 4616).
  function S.authenticate(authorization, username, secret, connection)
    username = username:lower()
    if not connection:get_meta 'x_submission' or authorization:lower() ~= username then
      return false
    end
    local credential = bundle.live.credential(username)
    local digest = live.credential_digest(username, secret)
    if not proves(credential, digest) then
      return false
    end
    if credential.networks and not is_within(credential.networks, connection:get_meta 'received_from') then
      return false
    end
    connection:set_meta('tenant', credential.organization)
    connection:set_meta('x_credential', username)
    connection:set_meta('x_secret_digest', digest:sub(1, 16))
    return true
  end

  --- The credential of a session, or nil for one that has not authenticated.
  -- A session outlives its credential; it ends here, with a reply that makes a client connect and authenticate anew.
  function S.credential(connection)
    local username = connection:get_meta 'x_credential'
    if not username then
      return nil
    end
    local credential = bundle.live.credential(username)
    if not proves(credential, connection:get_meta 'x_secret_digest') then
      kumo.reject(421, '4.7.0 postmta-credential-ended: it was changed or has expired')
    end
    return credential
  end

  --- Whether a credential may be used for mail of a domain.
  function S.allows(credential, domain)
    return not credential.domains or contains(credential.domains, domain)
  end

  --- Puts mail off that is blocked for now, of a sending domain or to `@` and a domain.
  function S.put_off_blocked(organization, what)
    local blocked = bundle.live.blocked(organization, what)
    if blocked then
      kumo.reject(452, '4.7.1 postmta-blocked: ' .. blocked)
    end
  end

  --- Answers smtp_server_mail_from.
  function S.mail_from(sender, connection)
    local credential = S.credential(connection)
    if not credential then
      if connection:get_meta 'x_submission' then
        kumo.reject(530, '5.7.0 Authenticate first')
      end
      return
    end
    local domain = (sender.domain or ''):lower()
    S.put_off_blocked(credential.organization, domain)
    local known = domain ~= '' and bundle.domains(domain)
    -- The null sender is that of notifications (RFC 5321, 4.5.5); their From field is judged like any other.
    if domain ~= '' and not (known and known.organization == credential.organization and S.allows(credential, domain)) then
      kumo.reject(550, string.format('5.7.1 postmta-foreign-domain: this credential may not send for %s', domain))
    end
  end

  --- Answers smtp_server_rcpt_to.
  function S.rcpt_to(recipient, connection)
    if not connection:get_meta 'x_credential' then
      return
    end
    if recipient.email:find '[\128-\255]' then
      -- Suppressions are kept by the domain's A-labels, and mail to other local parts is not taken by the API either.
      kumo.reject(553, '5.6.7 postmta-not-ascii: give the domain in A-labels (RFC 5891)')
    end
    S.put_off_blocked(connection:get_meta 'tenant', '@' .. recipient.domain:lower())
    if bundle.live.suppressed(connection:get_meta 'tenant', recipient.email) then
      kumo.reject(550, '5.7.1 postmta-suppressed: this address must get no more mail from you')
    end
  end

  --- Answers smtp_server_data: recipients that are named in one transaction belong to one message.
  function S.data(message)
    message:set_meta('x_mid', kumo.uuid.new_v7().hyphenated)
  end

  return S
end

return M
