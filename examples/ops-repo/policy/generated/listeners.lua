-- Rendered by PostMTA. Listeners, as kumo.start_http_listener and kumo.start_esmtp_listener take them.
-- A change needs a restart of the node.
return {
  http = {
    { listen = "127.0.0.1:8000", request_body_limit = 67108864, trusted_hosts = {} },
  },
  smtp = {
    {
      listen = "0.0.0.0:25",
      max_message_size = 26214400,
      relay_hosts = { "0.0.0.0/32" },
      trace_headers = {
        header_name = "X-KumoRef",
        include_meta_names = { "x_rid", "tenant" },
        received_header = true,
        supplemental_header = true,
      },
    },
  },
}
