--- Log records to the control plane: batches of JSON lines, kept until the control plane has them.

local kumo = require 'kumo'

local M = {}

M.NAME = 'postmta'
M.QUEUE = 'postmta.log_hook'
M.CONSTRUCTOR = 'make.postmta.log_hook'

--- Meta that records carry. `extra` is what the control plane said when it injected the message.
M.META = { 'tenant', 'campaign', 'extra', 'x_*' }

--- Limits of the hook's own path; those for mail would starve it.
M.PATH = {
  connection_limit = 2, -- few connections make full batches
  max_ready = 100000,
  max_deliveries_per_connection = 1000000,
  idle_timeout = '60s',
  system_shutdown_timeout = '10s',
  refresh_strategy = 'Epoch',
}

--- Options of the hook's queue. Records wait for a month: no outage of the control plane may cost one.
function M.queue_options(installation)
  return {
    protocol = {
      custom_lua = { constructor = M.CONSTRUCTOR, batch_size = installation.log_hook_batch_size },
    },
    retry_interval = '5s',
    max_retry_interval = '1m',
    max_age = '30 days',
    refresh_strategy = 'Epoch',
  }
end

--- Whether a message is a log record on its way out. It carries the meta of the message that it tells of, tenant and
-- x_rid included, so whatever goes by those must leave it alone.
function M.is_record(message)
  local queue = message:get_meta 'queue'
  return queue ~= nil and queue:match '^postmta%..*log_hook$' ~= nil
end

local function ndjson(messages)
  local lines = {}
  for i, message in ipairs(messages) do
    local line = message:get_data()
    lines[i] = line:sub(-1) == '\n' and line or line .. '\n'
  end
  return table.concat(lines)
end

function M.new(bundle)
  local H = {}

  --- Answers should_enqueue_log_record. Without the queue's name the record would be mailed to the recipient.
  function H.should_enqueue(message, hook)
    if hook ~= M.NAME then
      return
    end
    if message:get_meta('log_record').reception_protocol == 'LogRecord' then
      return false -- a record of this hook's own deliveries
    end
    message:set_meta('queue', M.QUEUE)
    return true
  end

  local function post(client, messages)
    local node = bundle.node()
    local request = client:post(node.ingest_url)
    request:header('Content-Type', 'application/x-ndjson')
    request:bearer_auth(node.ingest_token)
    request:body(ndjson(messages))
    local response = request:send()
    response:text() -- read to the end, so that the connection can be used again
    return response:status_code(), response:status_is_success()
  end

  --- Builds the connection object of the hook's queue.
  function H.connect()
    local connection = {
      client = kumo.http.build_client { timeout = '30s', pool_idle_timeout = '60s', user_agent = 'PostMTA log hook' },
    }

    --- Anything but a success must end in 4xx: KumoMTA keeps the records and tries again. 5xx would drop them.
    function connection:send_batch(messages)
      local sent, status, success = pcall(post, self.client, messages)
      if not sent then
        kumo.reject(451, '4.4.1 ingestion not reached: ' .. tostring(status))
      end
      if not success then
        kumo.reject(451, '4.3.0 ingestion answered ' .. status)
      end
      return 'ingestion answered ' .. status
    end

    -- KumoMTA calls this one when the batch size is 1.
    function connection:send(message)
      return self:send_batch { message }
    end

    function connection:close()
      self.client:close()
    end

    return connection
  end

  return H
end

return M
