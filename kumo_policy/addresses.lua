--- Networks of peers: those that may relay, and the one that a peer is counted among.

local kumo = require 'kumo'

local M = {}

--- Groups of an IPv6 address as numbers, `::` filled up with zeros (RFC 4291, 2.2).
local function groups(text)
  local numbers = {}
  for group in text:gmatch '[^:]+' do
    table.insert(numbers, tonumber(group, 16))
  end
  return numbers
end

local function first_four(address)
  local head, tail = address:match '^(.-)::(.*)$'
  local numbers = groups(head or address)
  if head then
    local rest = groups(tail)
    while #numbers + #rest < 8 do
      table.insert(numbers, 0)
    end
    table.move(rest, 1, #rest, #numbers + 1, numbers)
  end
  return string.format('%x:%x:%x:%x', numbers[1], numbers[2], numbers[3], numbers[4])
end

--- The /24 of an IPv4 peer, the /64 of an IPv6 peer: large senders try again from a neighbouring address.
-- @param peer `ip:port` or `[ip]:port`, as the connection meta `received_from` has it
function M.network(peer)
  local ipv4 = peer:match '(%d+%.%d+%.%d+)%.%d+'
  if ipv4 then
    return ipv4 .. '.0/24' -- also one that is written as IPv6, ::ffff:192.0.2.1
  end
  return first_four(peer:match '^%[(.+)%]' or peer) .. '::/64'
end

--- @return a function that tells whether a peer is in one of the networks (CIDR)
function M.set(networks)
  local map = {}
  for _, network in ipairs(networks) do
    map[network] = true
  end
  local set = kumo.cidr.make_map(map)
  return function(peer)
    return peer ~= nil and set[peer] == true
  end
end

return M
