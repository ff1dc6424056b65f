--- The same injection is accepted once, so that a call whose answer was lost can be repeated.
--
-- A memoized function runs its body for the first caller only; whoever asks later gets the remembered value and
-- sees that the body did not run for him. That holds between all threads of the process and over policy changes
-- (no invalidate_with_epoch), not over a restart.

local kumo = require 'kumo'

local M = {}

local ran_for

local remember = kumo.memoize(function(id)
  ran_for = id
  return true
end, { name = 'postmta.fence', ttl = '1h', capacity = 500000 })

--- @return a function that answers true when `id` is seen for the first time, always true with the fence off
function M.new(bundle)
  return function(id)
    if not bundle.installation.fence then
      return true
    end
    ran_for = nil
    remember(id)
    return ran_for == id
  end
end

return M
