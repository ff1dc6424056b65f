--- Log records to the daemons for traffic shaping automation: what other hosts answered, to each daemon by itself.
--
-- A daemon that is away costs no mail and no memory: its records wait in a queue of their own for an hour, after which
-- nothing would follow from them any more.

local kumo = require 'kumo'

local M = {}

-- What a rule can say something about. The daemons are not told of anything else.
local TYPES = { TransientFailure = true, Bounce = true }

local PATH = {
  connection_limit = 4,
  max_ready = 100000,
  max_deliveries_per_connection = 1000000,
  idle_timeout = '60s',
  system_shutdown_timeout = '5s',
  refresh_strategy = 'Epoch',
}

function M.new(bundle)
  local hooks, queues = {}, {}
  for i, url in ipairs(bundle.tsa.urls) do
    local name = 'postmta.tsa' .. i
    local hook = { name = name, queue = name .. '.log_hook', constructor = 'make.' .. name .. '.log_hook', url = url }
    hooks[name], queues[hook.queue] = hook, hook
  end
  local H = {}

  --- In pre_init.
  function H.declare()
    local per_record = { Any = { enable = false } }
    for kind in pairs(TYPES) do
      per_record[kind] = { enable = true }
    end
    for name in pairs(hooks) do
      kumo.configure_log_hook { name = name, per_record = per_record }
    end
  end

  --- Whether a hook is one of those declared here.
  function H.is_for(name)
    return hooks[name] ~= nil
  end

  --- Answers should_enqueue_log_record for these.
  function H.should_enqueue(message, name)
    local record = message:get_meta 'log_record'
    if record.reception_protocol == 'LogRecord' or not TYPES[record.type] then
      return false
    end
    message:set_meta('queue', hooks[name].queue)
    return true
  end

  --- Options of the queue of this name, nil for others.
  function H.queue(name)
    return queues[name]
      and {
        protocol = { custom_lua = { constructor = queues[name].constructor } },
        retry_interval = '5s',
        max_retry_interval = '1m',
        max_age = '1 hour',
        refresh_strategy = 'Epoch',
      }
  end

  --- Options of its path.
  function H.path(name)
    return queues[name] and PATH
  end

  local function connect(url)
    local connection = {
      client = kumo.http.build_client { timeout = '10s', pool_idle_timeout = '60s', user_agent = 'PostMTA' },
    }

    --- Anything but a success must end in 4xx: KumoMTA keeps the record and tries again.
    function connection:send(message)
      local sent, status, success = pcall(function()
        local request = self.client:post(url .. '/publish_log_v1')
        request:header('Content-Type', 'application/json')
        request:body(message:get_data())
        local response = request:send()
        response:text() -- read to the end, so that the connection can be used again
        return response:status_code(), response:status_is_success()
      end)
      if not sent then
        kumo.reject(451, '4.4.1 TSA daemon not reached: ' .. tostring(status))
      end
      if not success then
        kumo.reject(451, '4.3.0 TSA daemon answered ' .. status)
      end
      return 'TSA daemon answered ' .. status
    end

    function connection:close()
      self.client:close()
    end

    return connection
  end

  --- By the events that KumoMTA builds a connection with.
  H.constructors = {}
  for _, hook in pairs(hooks) do
    H.constructors[hook.constructor] = function()
      return connect(hook.url)
    end
  end

  return H
end

return M
