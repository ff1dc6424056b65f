--- Who may use the HTTP API: the control plane, by its token, for what acl.toml grants it.

local kumo = require 'kumo'

local M = {}

local load_acl = kumo.memoize(function(path)
  return kumo.aaa.load_acl_map(path)
end, { name = 'postmta.acl', ttl = '5m', capacity = 4, invalidate_with_epoch = true })

local function digest(text)
  return kumo.digest.sha256(text).hex
end

function M.new(bundle)
  local A = {}

  --- Answers http_server_validate_auth_bearer.
  function A.bearer(token)
    local known, node = pcall(bundle.node)
    local expected = known and node.admin_token
    if not expected or expected == '' then
      return false
    end
    -- Digests, since comparing the tokens themselves takes the longer the more of the guess is right.
    if digest(token) ~= digest(expected) then
      return false
    end
    return { identities = { { identity = 'postmta', context = 'BearerToken' } }, groups = { 'postmta' } }
  end

  --- Answers get_acl_definition; what acl.toml does not name keeps KumoMTA's default.
  function A.acl(resource)
    return load_acl(bundle.root .. '/acl.toml'):get(resource)
  end

  return A
end

return M
