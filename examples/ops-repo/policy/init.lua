-- Rendered by PostMTA. Starts the policy in this folder.
--
-- The node's launcher says where this release (root) and the node's own files (dir) lie. KumoMTA, when it runs this
-- file itself, says nothing: then both are its default policy folder.
local root, dir = ...
root = root or "/opt/kumomta/etc/policy"
dir = dir or root

package.path = root .. '/?.lua;' .. root .. '/?/init.lua;' .. package.path

require('postmta').start {
  root = root,
  dir = dir,
  installation = require 'generated.installation',
  greylisting = require 'generated.greylisting',
  listeners = require 'generated.listeners',
  storage = require 'generated.storage',
  tenants = require 'generated.tenants',
  pools = require 'generated.pools',
  weights = require 'generated.weights',
  sources = require 'generated.sources',
  data = require 'generated.data',
  providers = require 'generated.providers',
  shaping = require 'generated.shaping',
}
