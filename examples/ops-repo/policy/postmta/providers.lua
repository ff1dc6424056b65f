--- Which mailbox provider a path leads to: by the recipient's domain, else by the mail exchangers of the site.

local M = {}

M.OTHER = 'other'

function M.new(bundle)
  local tables = bundle.providers

  --- @param domain the routing domain
  -- @param site KumoMTA's name of it: the names of its exchangers with what differs in brackets, `(mx1|mx2).example`
  return function(domain, site)
    local found = tables.domains[domain]
    local host = (site or ''):lower():gsub('^.*%)', ''):gsub('^[^%w]+', '')
    while not found and host ~= '' do
      found = tables.hosts[host]
      host = host:match '^[^.]*%.(.+)$' or ''
    end
    return found or M.OTHER
  end
end

return M
