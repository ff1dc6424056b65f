--- What changes by the minute: suppressed addresses, SMTP credentials, and mail that is blocked.
--
-- The files lie beside the releases and are replaced one by one (core.live_data on the side of the control plane says
-- what is in them). Each question reads one small file anew: nothing is kept, so nothing is stale and nothing grows.

local kumo = require 'kumo'

local M = {}

local NO_SUCH_FILE = 2 -- ENOENT

local function sha256(text)
  return kumo.digest.sha256(text).hex
end

--- Digest of a secret, as core.live_data.credential_digest.
function M.credential_digest(username, secret)
  return sha256(username .. '/' .. secret)
end

function M.new(bundle)
  local folder = bundle.dir .. '/live/'
  local L = {}

  --- nil when there is no such file: nothing in it, or nothing written yet. One that is there and cannot be read is
  -- an error, so that mail is put off rather than sent to whom it must not go to.
  local function read(path)
    local file, problem, code = io.open(folder .. path, 'r')
    if not file then
      return code ~= NO_SUCH_FILE and error(problem) or nil
    end
    local content, failure = file:read 'a'
    file:close()
    return content or error(path .. ': ' .. failure)
  end

  local function entry(path, key)
    local content = read(path)
    return content and kumo.serde.json_parse(content)[key]
  end

  --- Whether an organization must not send to an address.
  function L.suppressed(organization, address)
    address = address:lower()
    local digests = read('suppressions/' .. sha256(address):sub(1, 3))
    local digest = sha256(organization .. '/' .. address):sub(1, 32)
    return digests ~= nil and digests:find(digest, 1, true) ~= nil
  end

  --- The SMTP credential of a user name, or nil.
  function L.credential(username)
    return entry('credentials/' .. sha256(username):sub(1, 2) .. '.json', username)
  end

  --- Why an organization may not submit by SMTP now, or nil.
  -- @param what of its mail: a domain that it sends from, or `@` and one that it sends to
  function L.blocked(organization, what)
    local content = read 'blocked.json'
    local blocked = content and kumo.serde.json_parse(content)
    return blocked and (blocked[organization] or blocked[organization .. '/' .. what])
  end

  return L
end

return M
