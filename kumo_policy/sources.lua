--- What a source's name says: `<organization>.<vmta>.r<version>`, and `.v6` after it for the IPv6 address of a pair.

local M = {}

--- The vMTA of a source, `<organization>.<vmta>`, whatever the version and whichever of its addresses.
function M.vmta(source)
  return source:match '^(.+)%.r%d+$' or source:match '^(.+)%.r%d+%.v6$'
end

function M.new(bundle)
  --- What is known of a source, whatever the version. For a second after a publication KumoMTA still asks for the
  -- version before; that gets today's address rather than an error, which would refuse mail.
  return function(source)
    local vmta = M.vmta(source)
    local second = vmta and source:find '%.v6$' and bundle.sources[vmta .. '.v6']
    return second or bundle.sources[vmta]
  end
end

return M
