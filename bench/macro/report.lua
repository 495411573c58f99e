-- Makes wrk print its result as one line of JSON, and send what it is told.
--
--   wrk -s report.lua URL -- DEPTH METHOD BODY-BYTES
--   wrk -s report.lua URL -- 1 GET 0         one request at a time on each connection
--   wrk -s report.lua URL -- 16 GET 0        sixteen at a time
--   wrk -s report.lua URL -- 1 POST 1024     with a body of 1 KiB

function init(args)
  local depth = tonumber(args[1]) or 1
  local bytes = tonumber(args[3]) or 0
  wrk.method = args[2] or "GET"
  if bytes > 0 then wrk.body = string.rep("x", bytes) end
  if depth > 1 then
    local batch = string.rep(wrk.format(), depth)
    -- Defined only when it is needed: with a function of this name wrk calls Lua for every request.
    request = function() return batch end
  end
end

function done(summary, latency, _requests)
  local e = summary.errors
  io.write(string.format(
    '{"requests":%d,"durationUs":%d,"p50Us":%d,"p90Us":%d,"p99Us":%d,"p999Us":%d,' ..
    '"errors":{"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}}\n',
    summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(90), latency:percentile(99), latency:percentile(99.9),
    e.connect, e.read, e.write, e.status, e.timeout))
end
