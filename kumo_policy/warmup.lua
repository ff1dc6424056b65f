--- What a warming vMTA may still send from this node: tickets that the control plane hands out.
--
-- A ticket becomes a bucket that is not refilled, named after the ticket: a release or an epoch does not fill it again.
-- Buckets are lost when KumoMTA stops. So a ticket that lay there when this process began is taken for used; the
-- control plane sees the restart and hands out what is left. Without a ticket nothing leaves from a warming vMTA.

local kumo = require 'kumo'

local M = {}

local FILE = '/live/warmup.json'

-- The smallest rate is looked at first. A provider's must be: whatever is drawn from the vMTA's and then refused by the
-- provider's would be lost. With these periods the refill is below one in a hundred a day.
local VMTA, PROVIDER = 'local:%d/100d', 'local:%d/10000d'

-- A rate cannot be 0, so this bucket for one is emptied before it is used. KumoMTA puts a word before the name that
-- Lua gives a throttle.
local CLOSED, NONE, PREFIX = 'postmta:closed', 'local:1/10000d', 'lua-user-throttle-'

-- For a pool from which nothing may leave now: look again in an hour.
local LATER = 'local:1/h,max_burst=0'

local function parse(path)
  local file = assert(io.open(path, 'r'))
  local content = file:read 'a'
  file:close()
  return kumo.serde.json_parse(content)
end

local function load(path)
  local ok, content = pcall(parse, path)
  return ok and content or { serial = 0, vmtas = {} }
end

local read = kumo.memoize(load, {
  name = 'postmta.warmup',
  ttl = '5m',
  capacity = 4,
  invalidate_with_epoch = true,
})

-- Once for the whole life of the process, whatever the epoch.
local first = kumo.memoize(function(path)
  return load(path).serial
end, { name = 'postmta.warmup.first', ttl = '3650 days', capacity = 4 })

local function closed()
  kumo.make_throttle(CLOSED, NONE):throttle()
  return { [PREFIX .. CLOSED] = NONE }
end

function M.new(bundle)
  local W = {}
  local path = bundle.dir .. FILE

  --- Note which tickets are of an earlier process. It must come before the first mail.
  function W.start()
    first(path)
  end

  local function ticket_of(vmta)
    local ticket = read(path).vmtas[vmta]
    if ticket and (ticket.free or ticket.serial > first(path)) then
      return ticket
    end
  end

  --- Whether anything may leave from a warming vMTA now. One that may not must stand in no pool: KumoMTA would make a
  -- ready queue for it, and reads the limits of one that never held a message only when it makes it anew.
  function W.is_open(vmta)
    local ticket = ticket_of(vmta)
    return ticket and (ticket.free or ticket.size > 0)
  end

  --- The `additional_source_selection_rates` of a warming vMTA; nil when its warm-up is over.
  -- @param vmta `<organization>.<vmta>`
  function W.rates(vmta, provider)
    local ticket = ticket_of(vmta)
    if ticket and ticket.free then
      return nil
    end
    local here = ticket and ticket.limits[provider]
    if not ticket or ticket.size == 0 or here == 0 then
      return closed()
    end
    local key = string.format('postmta:%s:%d', vmta, ticket.serial)
    local rates = { [key] = string.format(VMTA, ticket.size) }
    if here then
      rates[key .. ':' .. provider] = string.format(PROVIDER, here)
    end
    return rates
  end

  --- The rate of a pool whose vMTAs are all warming: what its tickets allow at once, and the day's rest over the day.
  -- @return a throttle and its name, which has the rate in it; nil when one of them is not limited any more
  function W.pool_rate(vmtas)
    local day, size = 0, 0
    for _, vmta in ipairs(vmtas) do
      local ticket = ticket_of(vmta)
      if ticket and ticket.free then
        return nil
      end
      if ticket and ticket.size > 0 then
        day, size = day + ticket.day, size + ticket.size
      end
    end
    if size == 0 then
      return LATER
    end
    local burst = math.max(1, math.min(day // 2, size))
    return string.format('local:%d/d,max_burst=%d', math.max(1, day - burst + 1), burst - 1)
  end

  return W
end

return M
