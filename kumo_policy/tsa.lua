--- What the daemons for traffic shaping automation said of a path, together with what holds for it anyway.
--
-- `postmta.tsa_follow` asks them and keeps what they say in a SQLite file beside the spool, from where every Lua
-- context reads it: so it survives a restart of the node, and an outage of the daemon. What cannot be read holds
-- nothing up.

local kumo = require 'kumo'
local sqlite = require 'sqlite'

local M = {}

local BUSY_MILLISECONDS = 2000
local SCHEMA = 'CREATE TABLE IF NOT EXISTS overrides (daemon TEXT PRIMARY KEY, content TEXT NOT NULL) WITHOUT ROWID'
local SAVE = [[
  INSERT INTO overrides (daemon, content) VALUES (?1, ?2) ON CONFLICT (daemon) DO UPDATE SET content = ?2]]
-- Always one row: KumoMTA answers a row of nothing where there is none.
local LOAD = "SELECT coalesce((SELECT content FROM overrides WHERE daemon = ?1), '[]')"

local SECONDS = { s = 1, sec = 1, second = 1, m = 60, min = 60, minute = 60, h = 3600, hr = 3600, hour = 3600 }
SECONDS.d, SECONDS.day = 86400, 86400

-- What KumoMTA takes where a path says nothing: an override may not widen that either.
local DEFAULTS = { connection_limit = 32, max_deliveries_per_connection = 1024, max_recipients_per_batch = 100 }

local connection

local function store(path)
  connection = connection or sqlite.open(path, BUSY_MILLISECONDS)
  return connection
end

-- Only who follows a daemon makes the file. A proof of the policy asks for paths as well, on the control plane's host
-- and as another user than kumod: whose file it would be.
local function is_there(path)
  local file = io.open(path, 'r')
  if file then
    file:close()
  end
  return file ~= nil
end

--- Keep what a daemon says: a list of tables with domain, source, site, name, value and expires (a Unix time).
function M.save(path, daemon, overrides)
  store(path):execute(SCHEMA)
  store(path):execute(SAVE, daemon, kumo.serde.json_encode(overrides))
end

--- What is kept of a daemon.
function M.load(path, daemon)
  return is_there(path) and kumo.serde.json_parse(store(path):execute(LOAD, daemon)[1]) or {}
end

--- Where that is.
function M.database(bundle)
  return bundle.storage.spool_path .. '/tsa.db'
end

-- A rate as messages in a second; nil for what is none.
local function per_second(rate)
  local count, scale, unit = tostring(rate):gsub('^local:', ''):gsub(',max_burst=[%d_,]+$', ''):match '^([%d_,]+)/(%d*)(%a+)$'
  local seconds = unit and SECONDS[unit]
  local number = count and tonumber((count:gsub('[_,]', '')))
  return number and seconds and number / (seconds * (tonumber(scale) or 1))
end

local function whole(value)
  return math.type(value) == 'integer' and value >= 1 and value or nil
end

--- How options are compared; the smaller is the stricter. Others, and values that are none, are passed over: a daemon
-- that talks nonsense must not make a path that KumoMTA refuses, for that would hold its mail up.
M.MEASURES = {
  connection_limit = whole,
  max_deliveries_per_connection = whole,
  max_recipients_per_batch = whole,
  max_connection_rate = per_second,
  max_message_rate = per_second,
}

--- Whether an option and its value can be taken over.
function M.is_usable(name, value)
  local measure = M.MEASURES[name]
  local size = measure and measure(value)
  return size ~= nil and size > 0
end

local function take_over(options, name, value)
  local measure, present = M.MEASURES[name], options[name] or DEFAULTS[name]
  local size = present ~= nil and measure(present)
  if not size or measure(value) < size then
    options[name] = value
  end
end

-- All that is kept, by source; for the whole process, until the epoch is bumped because it changed.
local kept = kumo.memoize(function(path, daemons)
  local sources = {}
  for _, daemon in ipairs(daemons) do
    for _, one in ipairs(M.load(path, daemon)) do
      sources[one.source] = sources[one.source] or {}
      table.insert(sources[one.source], one)
    end
  end
  return sources
end, { name = 'postmta.tsa', ttl = '1m', capacity = 4, invalidate_with_epoch = true })

function M.new(bundle)
  local path, daemons = M.database(bundle), bundle.tsa.urls
  local T = {}

  --- Make the options of a path as strict as the daemons say, where they are stricter.
  -- @param site nil where all domains are one site, as with a smart host
  function T.restrain(options, source, domain, site)
    if #daemons == 0 then
      return options
    end
    local ok, found = pcall(kept, path, daemons)
    if not ok then
      kumo.log_error('overrides of TSA daemons: ' .. tostring(found))
      return options
    end
    local now = kumo.time.now().unix_timestamp
    for _, one in pairs(found[source] or {}) do
      local is_here = not site or one.domain == domain or one.site == site
      if is_here and one.expires > now and M.is_usable(one.name, one.value) then
        take_over(options, one.name, one.value)
      end
    end
    return options
  end

  return T
end

return M
