--- Follows each daemon for traffic shaping automation, in a task of its own that lasts as long as the node does.
--
-- It asks rather than listens, so every answer is the whole state and none is missed. What a daemon holds or bounces is
-- put in force here until it expires there. A hold of somebody else's on the same queue is left alone, and one that
-- somebody lifted by hand stays lifted until the rule strikes again. What a daemon says of limits is kept for
-- `postmta.tsa`. While a daemon is away what it said last goes on, until that expires.

local kumo = require 'kumo'
local tsa = require 'postmta.tsa'

local M = {}

M.EVENT = 'postmta.tsa.follow'

local SECONDS = 5
-- Looks between two at the limits: a change of these bumps the epoch, and costs every Lua context of the node.
local LIMITS_EVERY = 3
-- What the reasons of a daemon begin with, and of nobody else.
local OURS = '^automation rule: '

local function get(client, url)
  local response = client:get(url):send()
  local text = response:text()
  if not response:status_is_success() then
    error(url .. ' answered ' .. response:status_code())
  end
  return text
end

local function unix(text)
  return kumo.time.parse_rfc3339(text).unix_timestamp
end

local function site_of(domain)
  local ok, exchangers = pcall(kumo.dns.lookup_mx, domain)
  return ok and exchangers.site_name or nil
end

--- The limits in what a daemon renders: TOML whose comments tell when each ends.
function M.overrides(text)
  kumo.serde.toml_parse(text) -- raises for anything else
  local found, header, expires = {}, nil, nil
  for line in text:gmatch '[^\r\n]+' do
    if line:sub(1, 1) == '[' then
      header, expires = line, nil
    elseif line:match '^# expires: ' then
      expires = unix(line:match '^# expires: (%S+)')
    elseif header and expires and line:match '^[%w_]+ = ' then
      local domain, block = next(kumo.serde.toml_parse(header .. '\n' .. line))
      local source, options = next(block.sources)
      local name, value = next(options)
      table.insert(found, { domain = domain, source = source, name = name, value = value, expires = expires })
      expires = nil
    end
  end
  return found
end

local function usable(overrides)
  local found = {}
  for _, one in ipairs(overrides) do
    if tsa.is_usable(one.name, one.value) then
      one.site = site_of(one.domain)
      table.insert(found, one)
    end
  end
  return found
end

local KINDS = {
  suspend_ready_q = {
    put = function(request)
      kumo.api.admin.suspend_ready_q.suspend(request)
    end,
    list = function()
      return kumo.api.admin.suspend_ready_q.list()
    end,
  },
  suspend = {
    put = function(request)
      kumo.api.admin.suspend.suspend(request)
    end,
    list = function()
      return kumo.api.admin.suspend.list()
    end,
  },
  bounce = {
    put = function(request)
      kumo.api.admin.bounce.bounce(request)
    end,
    list = function()
      return kumo.api.admin.bounce.list()
    end,
  },
}

local function key(kind, one)
  return table.concat({ kind, one.name or '', one.campaign or '', one.tenant or '', one.domain or '' }, '\n')
end

-- What others hold or bounce: KumoMTA has one entry for the same queues, so ours would take the place of theirs.
local function others()
  local found = {}
  for kind, calls in pairs(KINDS) do
    for _, entry in ipairs(calls.list()) do
      if not tostring(entry.reason):match(OURS) then
        found[key(kind, entry)] = true
      end
    end
  end
  return found
end

-- Without tenant or domain it would be about everybody's mail; KumoMTA's rules never say that.
local function request_of(kind, one)
  local request = { reason = string.format('%s (rule_hash=%s)', one.reason, one.rule_hash), expires = one.expires }
  if kind == 'suspend_ready_q' then
    request.name = assert(one.site_name)
  else
    request.tenant, request.domain, request.campaign = assert(one.tenant), assert(one.domain), one.campaign
  end
  assert(request.reason:match(OURS), 'a reason of somebody else')
  return request
end

local function wanted(client, url)
  local holds = kumo.serde.json_parse(get(client, url .. '/get_suspension_v1/suspended.json'))
  local bounces = kumo.serde.json_parse(get(client, url .. '/get_bounce_v1/bounced.json'))
  return { suspend_ready_q = holds.ready_q, suspend = holds.sched_q, bounce = bounces }
end

-- Puts in force what is new since the last look, one by one: one that makes no sense keeps no other from it.
local function put_in_force(state, lists)
  local foreign, now, done = others(), kumo.time.now().unix_timestamp, {}
  for kind, list in pairs(lists) do
    for _, one in ipairs(list) do
      local ok, problem = pcall(function()
        local request = request_of(kind, one)
        local place = key(kind, request)
        if foreign[place] then
          return -- and looked at again, for when that ends
        end
        if unix(one.expires) > now and state.done[place] ~= one.expires then
          KINDS[kind].put(request)
        end
        done[place] = one.expires
      end)
      if not ok then
        kumo.log_error('TSA: ' .. kind .. ': ' .. tostring(problem))
      end
    end
  end
  state.done = done
end

-- Keeps the limits that have not ended. Paths are made anew only when these are others than before.
local function keep(state, path, url)
  local now, present = kumo.time.now().unix_timestamp, {}
  for _, one in ipairs(state.overrides) do
    if one.expires > now then
      table.insert(present, one)
    end
  end
  local text = kumo.serde.json_encode(present)
  if text ~= state.kept then
    tsa.save(path, url, present)
    state.kept = text
    kumo.bump_config_epoch()
  end
end

local function look(state, path, url)
  put_in_force(state, wanted(state.client, url))
  state.looks = state.looks + 1
  if state.looks % LIMITS_EVERY == 1 then
    local text = get(state.client, url .. '/get_config_v1/shaping.toml')
    if text ~= state.text then
      state.overrides, state.text = usable(M.overrides(text)), text
    end
  end
end

--- What the task does: looks for ever.
function M.new(bundle)
  local path = tsa.database(bundle)

  local function complain(url, ok, problem)
    if not ok then
      kumo.log_error('TSA daemon ' .. url .. ': ' .. tostring(problem))
    end
    return ok
  end

  local function start(url)
    local state = { done = {}, looks = 0, overrides = {} }
    state.client = kumo.http.build_client { timeout = '10s', user_agent = 'PostMTA' }
    complain(url, pcall(function()
      state.overrides = tsa.load(path, url)
      state.kept = kumo.serde.json_encode(state.overrides)
    end))
    return state
  end

  return function(arguments)
    local url = arguments[1]
    local state, was_well = start(url), true
    while true do
      local ok, problem = pcall(look, state, path, url)
      if was_well or ok then
        complain(url, ok, problem)
      end
      was_well = ok
      complain(url, pcall(keep, state, path, url))
      kumo.sleep(SECONDS)
    end
  end
end

return M
