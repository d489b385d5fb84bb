-- One `consume` a request, or a batch of BATCH of them, on the allocations of LOAD_FILE.
--
--   LOAD_FILE    what load-prepare wrote: the gate's key and the ids of allocations
--   DURABILITY   durable or fast: which of its allocations
--   SPREAD       uniform (over all of them) or hot (one allocation takes everything)
--   BATCH        operations a request; 1 is a plain call
--   SALT         new for each run: an idempotency key that was used before would be answered from memory
--
-- Every operation has a key of its own, from salt, thread, request and place. Requests are formatted as those of the peers
-- are, one by one, since the generator shares the processors with what it measures.

local threads = 0

function setup(thread)
  thread:set("tid", threads)
  threads = threads + 1
end

local function environment(name)
  return os.getenv(name) or error("consume.lua needs " .. name)
end

local batch = tonumber(environment("BATCH"))
local heads, tail, sent = {}, nil, 0

function init()
  local load = dofile(environment("LOAD_FILE"))
  local ids = load[environment("DURABILITY")][environment("SPREAD")]
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
  wrk.headers["Authorization"] = "Bearer " .. load.key
  local op = batch > 1 and '"op":"consume",' or ""
  for i, id in ipairs(ids) do
    heads[i] = string.format(
      '{%s"allocation":"%s","uses":[{"feature":"%s","amount":1}],"idempotency_key":"%s-%d-',
      op, id, load.feature, environment("SALT"), tid)
  end
end

-- Steps that have no factor in common with 10,000, so that every allocation has its turn before one has its second.
local function head(place)
  return heads[(sent * 7919 + place * 104729 + tid * 5003) % #heads + 1]
end

local function one()
  sent = sent + 1
  return wrk.format(nil, "/v1/consume", nil, string.format('%s%d"}', head(0), sent))
end

local pieces = {}

local function many()
  sent = sent + 1
  pieces[1] = '{"operations":['
  for place = 1, batch do
    pieces[3 * place - 1] = head(place)
    pieces[3 * place] = sent
    pieces[3 * place + 1] = "-" .. place .. (place < batch and '"},' or '"}]}')
  end
  return wrk.format(nil, "/v1/batch", nil, table.concat(pieces))
end

request = batch > 1 and many or one

function done(summary, latency)
  local seconds, errors = summary.duration / 1e6, summary.errors
  io.write(string.format(
    "RESULT rps=%.0f checks=%.0f p50=%.0fus p90=%.0fus p99=%.0fus non2xx=%d err=%d requests=%d\n",
    summary.requests / seconds, batch * summary.requests / seconds,
    latency:percentile(50), latency:percentile(90), latency:percentile(99),
    errors.status, errors.connect + errors.read + errors.write + errors.timeout, summary.requests))
end
