--- DKIM signatures (RFC 6376, RFC 8463): one for each key of the From domain.

local kumo = require 'kumo'

local M = {}

-- Every field a reader sees or a mailbox provider acts upon. The RSA signature also covers the absence of those
-- that are absent (RFC 6376, 8.15: nobody may add a second From); one such signature is enough.
local HEADERS = {
  'From',
  'To',
  'Subject',
  'Date',
  'Message-ID',
  'Reply-To',
  'Cc',
  'MIME-Version',
  'Content-Type',
  'List-Unsubscribe',
  'List-Unsubscribe-Post',
  'Feedback-ID',
}

local MAKE = {
  ['rsa-sha256'] = kumo.dkim.rsa_sha256_signer,
  ['ed25519-sha256'] = kumo.dkim.ed25519_signer,
}

--- @return a function (message, domain, keys) that signs; nothing may change the message afterwards
function M.new(bundle)
  return function(message, domain, keys)
    for _, key in ipairs(keys) do
      local signer = MAKE[key.algorithm] {
        domain = domain,
        selector = key.selector,
        headers = HEADERS,
        -- KumoMTA keeps a key that it loaded, or did not find, by its path: the id makes each key's path its own.
        key = string.format('%s/keys/%s/%s.%s.key', bundle.dir, domain, key.selector, key.id),
        over_sign = key.algorithm == 'rsa-sha256',
      }
      message:dkim_sign(signer)
    end
  end
end

return M
