-- Runs once in a fresh Lua state, before any policy code: takes away what kumod's Lua lacks or what a policy under
-- test must not do, and returns the helpers that the Python side drives the state with.
local host = ...

local debug, python, error, pcall, xpcall = debug, python, error, pcall, xpcall
local select, setmetatable, rawset, type, tostring = select, setmetatable, rawset, type, tostring
local running, unpack = coroutine.running, table.unpack
local api = {}

-- The nearest frame of a policy file. Files are loaded under "@path"; our own chunks are not.
local function place()
  local level = 2
  while true do
    local info = debug.getinfo(level, 'Sl')
    if not info then return nil end
    if info.source:sub(1, 1) == '@' and info.currentline > 0 then
      return info.source:sub(2), info.currentline
    end
    level = level + 1
  end
end
api.place = place

local function settle(ok, ...) return ok, select('#', ...), ... end

-- Python exceptions travel as they are; a plain Lua error becomes one that knows its place.
local function fault(err)
  if type(err) == 'userdata' then return err end
  local file, line = place()
  return host.lua_error(tostring(err), file, line)
end

function api.invoke(func, ...) return settle(xpcall(func, fault, ...)) end

-- Each coroutine has a hook of its own, which it does not inherit.
local hook
local function watch_thread(thread)
  if hook then debug.sethook(thread, unpack(hook)) end
  return thread
end

local function set_hook(func, mask, instructions)
  hook = { func, mask, instructions }
  watch_thread(running())
end

function api.set_budget(instructions)
  set_hook(function() host.out_of_time() end, '', instructions)
end

-- From now on host.reached is told when another function of a policy file is entered, or the same one goes on at another
-- line: file, line of its definition, line. The budget is looked after as before.
function api.watch(instructions)
  local source, defined, at
  set_hook(function(event, line)
    if event == 'count' then return host.out_of_time() end
    local info = debug.getinfo(2, 'S')
    if info.source:sub(1, 1) ~= '@' then return end
    if info.source == source and info.linedefined == defined and line == at then return end
    source, defined, at = info.source, info.linedefined, line
    host.reached(source:sub(2), defined, line)
  end, 'l', instructions)
end

-- Functions made here are C functions. A tail call keeps the caller's frame only for those, and with it the line.
function api.define(module, name, func) rawset(module, name, python.as_function(func)) end

function api.lua_function(func) return function(...) return func(...) end end

function api.define_constant(module, name, value) rawset(module, name, value) end

function api.module(name)
  return setmetatable({}, {
    __index = function(_, key) return host.unknown_function(name, key) end,
    __newindex = function(_, key) return host.module_changed(name, key) end,
    __metatable = false,
  })
end

function api.provide(name, module) package.loaded[name] = module end

local empty_list = { __metatable = false }
function api.empty_list() return setmetatable({}, empty_list) end
function api.is_empty_list(value) return debug.getmetatable(value) == empty_list end

-- Compiled code and the names of all globals: what a check needs that looks at code without running it.
local dump = string.dump
function api.dump(func) return dump(func) end
function api.global_names()
  local names = {}
  for name in next, _G do names[#names + 1] = name end
  return names
end

function api.compile(text, name) return load(text, '@' .. name, 't') end

-- All userdata share one metatable; the Python object decides.
function api.complete_userdata(sample)
  local meta = debug.getmetatable(sample)
  meta.__metatable = false
  -- Not through the embedding's own attribute handlers: those may not call back into Lua.
  meta.__index = function(object, key) return host.get_field(object, key) end
  meta.__newindex = function(object, key, value) return host.set_field(object, key, value) end
  meta.__len = function(object) return host.length(object) end
  meta.__pairs = function(object)
    local position, keys, values = 0, host.pairs(object)
    return function()
      position = position + 1
      return keys[position], values[position]
    end
  end
  meta.__eq = function(a, b) return host.equals(a, b) end
  meta.__lt = function(a, b) return host.less(a, b) end
  meta.__add = function(a, b) return host.operate('+', a, b) end
  meta.__sub = function(a, b) return host.operate('-', a, b) end
  meta.__close = function(object) host.close(object) end
end

-- A policy may catch every error but the one that its time is over: that would go on for ever, an iteration each.
local function in_time(ok, ...)
  if not ok then host.out_of_time() end
  return ok, ...
end

local function keep_time()
  local create, resume, wrap = coroutine.create, coroutine.resume, coroutine.wrap
  coroutine.create = function(func) return watch_thread(create(func)) end
  _G.pcall = function(...) return in_time(pcall(...)) end
  _G.xpcall = function(...) return in_time(xpcall(...)) end
  coroutine.resume = function(...) return in_time(resume(...)) end
  coroutine.wrap = function(func)
    return wrap(function(...)
      watch_thread(running())
      return func(...)
    end)
  end
end

local function forbid(module, name, names)
  for _, key in ipairs(names) do
    module[key] = function() return host.forbidden(name .. '.' .. key) end
  end
end

function api.confine(package_path)
  package.path, package.cpath, package.loadlib = package_path, '', nil
  package.searchers[4], package.searchers[3] = nil, nil

  keep_time()
  forbid(os, 'os', { 'execute', 'exit', 'remove', 'rename', 'tmpname', 'setlocale' })
  forbid(io, 'io', { 'popen', 'tmpfile', 'output' })
  local date, time, open = os.date, os.time, io.open
  os.getenv = host.getenv
  os.clock = host.clock
  os.time = function(...)
    if select('#', ...) == 0 then return host.now() end
    return time(...)
  end
  os.date = function(format, at) return date(format, at or host.now()) end
  io.open = function(path, mode)
    if mode and not mode:match('^rb?$') then host.forbidden('io.open for writing') end
    return open(path, mode)
  end
  local stream = { write = function(self, ...) host.print(...) return self end, flush = function() end }
  io.write, io.stdout, io.stderr = function(...) return stream:write(...) end, stream, stream
  print = function(...) host.print(...) end

  local load, loadfile = load, loadfile
  _G.load = function(chunk, name, _, ...) return load(chunk, name, 't', ...) end
  _G.loadfile = function(path, _, ...) return loadfile(path, 't', ...) end
  _G.dofile = function(path) return assert(loadfile(path, 't'))() end

  -- The loaded table keeps its own way to debug, so both names have to go.
  _G.debug, package.loaded.debug, _G.python, package.loaded.python = nil, nil, nil, nil
  setmetatable(_G, {
    -- The embedding looks for debug.traceback outside of any protected call; nil is what kumod has there, too.
    __index = function(_, key) if key ~= 'debug' then return host.undefined_global(key) end end,
    __newindex = function(_, key) return host.accidental_global(key) end,
    __metatable = false,
  })
end

function api.set_global(name, value) rawset(_G, name, value) end

return api
