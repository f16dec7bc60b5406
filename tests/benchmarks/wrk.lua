-- Sends the requests of a file (a line with the length, the request, and so on) one after another,
-- beginning with number REQUESTS_FROM, and prints one line of JSON. For one thread.
local list = {}
local file = assert(io.open(os.getenv("REQUESTS_FILE"), "rb"))
for size in function() return file:read("*l") end do
  list[#list + 1] = file:read(tonumber(size))
end
file:close()
local at = tonumber(os.getenv("REQUESTS_FROM"))
local worker
counts = {} -- global, so that done() can get it from the thread

function setup(thread) worker = thread end

function request()
  at = at + 1
  return list[(at - 1) % #list + 1]
end

function response(status)
  counts[tostring(status)] = (counts[tostring(status)] or 0) + 1
end

function done(summary, latency)
  local seen = {}
  for status, n in pairs(worker:get("counts")) do
    seen[#seen + 1] = string.format('"%s":%d', status, n)
  end
  local e = summary.errors
  print(string.format(
    '{"requests":%d,"seconds":%.6f,"p50":%.4f,"p99":%.4f,"errors":%d,"statuses":{%s}}',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3, e.connect + e.read + e.write + e.timeout,
    table.concat(seen, ",")))
end
