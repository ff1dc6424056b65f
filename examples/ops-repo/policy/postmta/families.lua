--- Which addresses the hosts have that mail goes to, where a pool could send by IPv4 and by IPv6.
--
-- A source has one address. If the hosts of a site have none of its family, KumoMTA puts the message off, and its next
-- attempt may be from that source again. So hosts of one family get the part of the pool that can reach them. What is
-- not known, or has both, gets the whole pool. It is looked at whenever KumoMTA reads the queue's configuration: when
-- the queue is made, and with each epoch. KumoMTA keeps what it has looked up, and needs the same answers to deliver.

local kumo = require 'kumo'

local M = {}

-- Of a site's hosts, the best ones: more would only make a new queue wait for their answers.
local MOST_HOSTS = 8

--- Whether a host has an address of a family. An address in the place of a name is answered as it is.
local function has(host, strategy, is_six)
  local ok, found = pcall(kumo.dns.lookup_addr, host, nil, strategy)
  for _, address in ipairs(ok and found or {}) do
    if (address:find(':', 1, true) ~= nil) == is_six then
      return true
    end
  end
  return false
end

--- The host in an entry of `mx_list`: a name or an address, without its port.
local function host_of(entry)
  if type(entry) == 'table' then
    return entry.addr:match '^%[(.-)%]' or entry.addr:match '^([%d.]+):%d+$' or entry.addr
  end
  return entry:match '^[^:]+'
end

local function hosts_of(protocol, domain)
  if protocol then
    local hosts = {}
    for i, entry in ipairs(protocol.smtp.mx_list) do
      hosts[i] = host_of(entry)
    end
    return hosts
  end
  local ok, found = pcall(kumo.dns.lookup_mx, domain)
  return ok and found.hosts or {}
end

function M.new(bundle)
  --- The part of a pool that can reach the hosts of a domain.
  return function(pool, domain)
    if not bundle.pools[pool .. '/v6'] then
      return pool
    end
    local four, six = false, false
    for i, host in ipairs(hosts_of(bundle.installation.queue.protocol, domain)) do
      four = four or has(host, 'Ipv4Only', false)
      six = six or has(host, 'Ipv6Only', true)
      if (four and six) or i == MOST_HOSTS then
        break
      end
    end
    if four == six then
      return pool
    end
    return pool .. (four and '/v4' or '/v6')
  end
end

return M
