--- Which vMTAs have their address on this node, and so what may leave from here.
--
-- All nodes run the same release: a vMTA names the nodes that have its address, and node.json says which one this is.

local sources = require 'postmta.sources'

local M = {}

-- The name of a node that has every address: proofs and simulations ask about the fleet and not about one node.
local EVERYWHERE = '*'

function M.new(bundle)
  local P = {}

  local vmta_of = sources.new(bundle)

  local function is_here(vmta)
    if not vmta or not vmta.nodes then
      return true
    end
    local own = bundle.node().node
    return own == EVERYWHERE or vmta.nodes[own] == true
  end

  --- The sources of a pool that this node can use, in their order.
  function P.sources(pool)
    local here = {}
    for _, source in ipairs(bundle.pools[pool] or {}) do
      if is_here(vmta_of(source)) then
        table.insert(here, source)
      end
    end
    return here
  end

  --- Whether all that can send a pool's mail from this node is warming, though others may not be.
  function P.is_warming(pool)
    local found = false
    for _, source in ipairs(bundle.pools[pool] or {}) do
      local vmta = vmta_of(source)
      if is_here(vmta) then
        if not (vmta and vmta.warming) then
          return false
        end
        found = true
      end
    end
    return found
  end

  --- The nodes that a pool's mail can leave from, when this one is none of them; nil when it is, or none is.
  function P.elsewhere(pool)
    if not bundle.pools[pool] or #P.sources(pool) > 0 then
      return nil
    end
    local names, known = {}, {}
    for _, source in ipairs(bundle.pools[pool]) do
      for name in pairs(vmta_of(source).nodes) do
        if not known[name] then
          known[name] = true
          table.insert(names, name)
        end
      end
    end
    table.sort(names)
    return #names > 0 and table.concat(names, ', ') or nil
  end

  return P
end

return M
