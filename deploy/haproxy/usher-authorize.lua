-- Asks Usher whether a request may pass (`GET /gateway/authorize`), and hands on what Usher says about who asks.
--
--   global     lua-load usher-authorize.lua
--   frontend   http-request lua.usher-authorize http://127.0.0.1:8080      Usher's address, numbers and no name
--
-- It sets txn.usher_allowed for a request that may pass, and only then. Everything else ends here, with Usher's own
-- answer, or with 503 when Usher gave none.

-- How long Usher may take, in milliseconds. HAProxy's client asks four times before it gives up.
local PATIENCE = 1000

-- What the application is told about who asks.
local IDENTITY = { "x-user-id", "x-user-roles", "x-user-scope", "x-session-id", "x-user-token", "x-request-id" }

-- What a refused client is told beside the problem document.
local ADVICE = { "www-authenticate", "retry-after", "allow", "x-request-id", "content-type" }

local NO_ANSWER = '{"type":"about:blank","title":"Not available right now","status":503,'
    .. '"detail":"Try again in a moment.","code":"not_ready"}'

-- All values of a header as HAProxy's HTTP client wants them. Of two Authorization headers Usher has to see both, so
-- that it can refuse them: which of them counts is not for us to choose.
local function values(headers, name)
    local list = {}
    for _, value in pairs(headers[name] or {}) do
        list[#list + 1] = value
    end
    return #list > 0 and list or nil
end

-- The question. The words are those of the request that goes on, so that Usher decides on what the application gets.
local function question(txn)
    local sent = txn.http:req_get_headers()
    return {
        ["authorization"] = values(sent, "authorization"),
        ["x-forwarded-method"] = { txn.sf:method() },
        ["x-forwarded-uri"] = { txn.sf:pathq() },
        ["x-forwarded-host"] = { txn.sf:req_hdr("host") },
        ["x-forwarded-proto"] = { txn.f:ssl_fc() == 1 and "https" or "http" },
        ["x-forwarded-for"] = { txn.sf:src() },
    }
end

-- Ends the request.
local function refuse(txn, status, headers, body)
    headers["cache-control"] = { "no-store" }
    headers["content-length"] = { tostring(#body) }
    -- An answer to HEAD says how long its body would be and has none.
    local is_head = txn.sf:method() == "HEAD"
    txn:done(txn:reply({ status = status, headers = headers, body = is_head and "" or body }))
end

local function authorize(txn, usher)
    local answer = core.httpclient():get({
        url = usher .. "/gateway/authorize",
        headers = question(txn),
        timeout = PATIENCE,
    })
    local status = answer and answer.status or 0
    local said = answer and answer.headers or {}
    txn:set_var("txn.usher_status", tostring(status))

    if status == 200 then
        for _, name in ipairs(IDENTITY) do
            txn.http:req_del_header(name)
            local list = values(said, name)
            if list then
                txn.http:req_set_header(name, list[1])
            end
        end
        txn:set_var("txn.usher_user_id", txn.sf:req_hdr("x-user-id"))
        txn:set_var("txn.usher_request_id", txn.sf:req_hdr("x-request-id"))
        txn:set_var("txn.usher_allowed", true)
        return
    end

    -- HAProxy's client answers for a server that is down with a page of its own: only problem documents are Usher's.
    local kind = (values(said, "content-type") or { "" })[1]
    if status >= 400 and status <= 599 and kind:match("^application/problem%+json") then
        local headers = {}
        for _, name in ipairs(ADVICE) do
            headers[name] = values(said, name)
        end
        refuse(txn, status, headers, answer.body or "")
    else
        refuse(txn, 503, { ["content-type"] = { "application/problem+json" }, ["retry-after"] = { "5" } }, NO_ANSWER)
    end
end

core.register_action("usher-authorize", { "http-req" }, authorize, 1)
