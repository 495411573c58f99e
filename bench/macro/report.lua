-- Makes wrk print its result as one line of JSON, and sends requests in batches when told how deep.
--
--   wrk -s report.lua URL            one request at a time on each connection
--   wrk -s report.lua URL -- 16      sixteen at a time

function init(args)
  local depth = tonumber(args[1]) or 1
  if depth > 1 then
    local batch = string.rep(wrk.format("GET", "/"), depth)
    -- Defined only when it is needed: with a function of this name wrk calls Lua for every request.
    request = function() return batch end
  end
end

function done(summary, latency, _requests)
  local e = summary.errors
  io.write(string.format(
    '{"requests":%d,"durationUs":%d,"p50Us":%d,"p99Us":%d,' ..
    '"errors":{"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    e.connect, e.read, e.write, e.status, e.timeout))
end
