--- Greylisting (RFC 6647): mail from a client, sender and recipient that were never seen together is put off once.
--
-- Only mail that strangers send to the domains we relay to: never reports to the bounce domain, clients that have
-- authenticated, or hosts that may relay. The triplets are kept in a SQLite file beside the node's spool, so they
-- survive a restart; each node has its own. Where the file cannot be used, mail passes: no sender pays for our disk.

local kumo = require 'kumo'
local sqlite = require 'sqlite'
local addresses = require 'postmta.addresses'

local M = {}

-- One statement, so that of two attempts at once each sees what the other did. `passes` stays 0 until an attempt
-- comes after the delay and within the window; a pair that was not seen for its lifetime starts anew.
local STALE = '(passes = 0 AND ?4 - first_seen > ?6 OR passes > 0 AND ?4 - last_seen > ?7)'
local TRIPLET = string.format([[
  INSERT INTO triplets (network, sender, recipient, first_seen, last_seen, passes, attempts)
  VALUES (?1, ?2, ?3, ?4, ?4, 0, 1)
  ON CONFLICT (network, sender, recipient) DO UPDATE SET
    first_seen = CASE WHEN %s THEN ?4 ELSE first_seen END,
    passes = CASE WHEN %s OR passes = 0 AND ?4 - first_seen < ?5 THEN 0 ELSE passes + 1 END,
    attempts = CASE WHEN %s THEN 1 ELSE attempts + 1 END,
    last_seen = ?4
  RETURNING passes, first_seen, attempts]], STALE, STALE, STALE)
-- Always one row: KumoMTA answers a row of nothing where there is none.
local CLIENT = 'SELECT coalesce((SELECT passes FROM clients WHERE network = ?1 AND last_seen >= ?2), 0)'
local CLIENT_PASSED = [[
  INSERT INTO clients (network, passes, last_seen) VALUES (?1, 1, ?2)
  ON CONFLICT (network) DO UPDATE SET last_seen = ?2, passes = CASE WHEN last_seen < ?3 THEN 1 ELSE passes + 1 END
]]
local CLIENT_SEEN = 'UPDATE clients SET last_seen = ?2 WHERE network = ?1'
local SCHEMA = {
  'PRAGMA journal_mode = WAL',
  'PRAGMA synchronous = NORMAL',
  [[CREATE TABLE IF NOT EXISTS triplets (
    network TEXT NOT NULL, sender TEXT NOT NULL, recipient TEXT NOT NULL, first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL, passes INTEGER NOT NULL, attempts INTEGER NOT NULL,
    PRIMARY KEY (network, sender, recipient)) WITHOUT ROWID]],
  'CREATE INDEX IF NOT EXISTS triplets_last_seen ON triplets (last_seen)',
  [[CREATE TABLE IF NOT EXISTS clients (
    network TEXT PRIMARY KEY, passes INTEGER NOT NULL, last_seen INTEGER NOT NULL) WITHOUT ROWID]],
}
local BUSY_MILLISECONDS = 2000

local connection

local function store(path)
  if not connection then
    local opened = sqlite.open(path, BUSY_MILLISECONDS)
    for _, statement in ipairs(SCHEMA) do
      opened:execute(statement)
    end
    connection = opened
  end
  return connection
end

local oldest

-- At most once an hour in the whole process; a memoized function must answer something.
local sweep = kumo.memoize(function(path)
  store(path):execute('DELETE FROM triplets WHERE last_seen < ?1', oldest)
  store(path):execute('DELETE FROM clients WHERE last_seen < ?1', oldest)
  return true
end, { name = 'postmta.greylisting', ttl = '1h', capacity = 1 })

local function is_domain_of(domain, list)
  domain = domain:lower()
  for _, allowed in ipairs(list) do
    if domain == allowed or domain:sub(-#allowed - 1) == '.' .. allowed then
      return true
    end
  end
  return false
end

function M.new(bundle)
  local config = bundle.greylisting
  local path = bundle.storage.spool_path .. '/greylisting.db'
  local allowed = addresses.set(config.allowed_networks)
  local G = {}

  local function is_trusted_client(db, network, now)
    if config.allow_after == 0 then
      return false
    end
    local passes = db:execute(CLIENT, network, now - config.lifetime)[1]
    if passes < config.allow_after then
      return false
    end
    db:execute(CLIENT_SEEN, network, now)
    return true
  end

  --- @return what is decided, and for one that is put off how many seconds it has to wait
  local function decide(peer, sender, recipient, now)
    local db, network = store(path), addresses.network(peer)
    if is_trusted_client(db, network, now) then
      return 'allowed'
    end
    local found = db:execute(TRIPLET, network, sender, recipient, now, config.delay, config.window, config.lifetime)[1]
    if found.passes > 1 then
      return 'known'
    end
    if found.passes == 1 then
      db:execute(CLIENT_PASSED, network, now, now - config.lifetime)
      return 'passed'
    end
    return found.attempts == 1 and 'new' or 'early', math.max(1, found.first_seen + config.delay - now)
  end

  local function judged(peer, sender, recipient)
    if allowed(peer) or is_domain_of(sender.domain or '', config.allowed_domains) then
      return 'allowed'
    end
    local now = kumo.time.now().unix_timestamp
    local ok, decision, wait = pcall(decide, peer, (sender.email or ''):lower(), recipient.email:lower(), now)
    if not ok then
      kumo.log_error('greylisting: ' .. tostring(decision))
      return 'unavailable'
    end
    oldest = now - math.max(config.lifetime, config.window)
    pcall(sweep, path)
    return decision, wait
  end

  --- Remembers the sender for the recipients that follow it.
  function G.mail_from(sender, session)
    if config.enabled then
      session:set_meta('greylist_sender', { email = sender.email or '', domain = sender.domain or '' })
    end
  end

  --- Puts off a recipient whose turn it is not; the decision about others is in the record of the reception.
  -- @param recipient one of a domain that we relay to, of a client that is a stranger
  function G.rcpt_to(recipient, session)
    if not config.enabled then
      return
    end
    local sender = session:get_meta 'greylist_sender' or { email = '', domain = '' }
    local decision, wait = judged(session:get_meta 'received_from', sender, recipient)
    if decision == 'new' then
      kumo.reject(451, string.format('4.7.1 Greylisted, try again in %d seconds', wait))
    elseif decision == 'early' then
      kumo.reject(451, string.format('4.7.1 Greylisted still, try again in %d seconds', wait))
    end
    local decisions = session:get_meta 'greylist_decisions' or {}
    decisions[recipient.email:lower()] = decision
    session:set_meta('greylist_decisions', decisions)
  end

  --- What was decided of a message's recipient, for its records.
  function G.note(message, session)
    local decisions = session:get_meta 'greylist_decisions'
    for _, recipient in ipairs(message:recipient_list()) do
      local decision = decisions and decisions[recipient.email:lower()]
      if decision then
        message:set_meta('x_greylist', decision)
      end
    end
  end

  return G
end

return M
