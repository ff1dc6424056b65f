--- Header fields: what a message submitted by SMTP asks for in X-PostMTA-…, and what is written on every message.

local kumo = require 'kumo'

local M = {}

local ASKING = { 'X-PostMTA-Tag', 'X-PostMTA-Vmta', 'X-PostMTA-Unsubscribe', 'X-PostMTA-Send-At' }
local MAX_TAGS, MAX_TAG, MAX_SUBJECT = 10, 100, 300
local MAX_AHEAD = 30 * 24 * 3600

--- At most so many characters of a text in UTF-8.
local function cut(text, characters)
  local past = utf8.offset(text, characters + 1)
  return past and text:sub(1, past - 1) or text
end

local function refuse(text)
  kumo.reject(550, '5.6.0 postmta-bad-header: ' .. text)
end

local function send_at(value)
  local read, moment = pcall(kumo.time.parse_rfc3339, value)
  local seconds = read and moment.unix_timestamp
  local ahead = read and seconds - kumo.time.now().unix_timestamp
  if not read or ahead > MAX_AHEAD then
    refuse 'X-PostMTA-Send-At is a time of RFC 3339, at most 30 days ahead'
  end
  return ahead > 0 and seconds or nil
end

local function tags_of(message)
  local tags = {}
  for _, value in ipairs(message:get_all_named_header_values 'X-PostMTA-Tag') do
    if #tags == MAX_TAGS or value == '' or (utf8.len(value) or 0) > MAX_TAG then
      refuse(string.format('there are up to %d X-PostMTA-Tag of up to %d characters', MAX_TAGS, MAX_TAG))
    end
    table.insert(tags, value)
  end
  return tags
end

--- The campaign that the first tag stands for, as features.messages.compose.campaign_of has it.
local function campaign_of(tags)
  local slug = (tags[1] or ''):lower():gsub('[^a-z0-9._-]+', '-'):gsub('^-+', ''):gsub('-+$', ''):sub(1, 63)
  return slug ~= '' and slug or nil
end

--- What a message asks for; the fields that say so are taken out.
function M.take(message)
  local vmta, at = message:get_first_named_header_value 'X-PostMTA-Vmta', message:get_first_named_header_value 'X-PostMTA-Send-At'
  local unsubscribe = message:get_first_named_header_value 'X-PostMTA-Unsubscribe'
  local tags = tags_of(message)
  local asked = {
    tags = tags,
    campaign = campaign_of(tags),
    vmta = vmta,
    unsubscribe = unsubscribe ~= nil and unsubscribe:lower() == 'true',
    send_at = at and send_at(at),
    subject = cut(message:get_first_named_header_value 'Subject' or '', MAX_SUBJECT),
  }
  message:remove_x_headers(ASKING)
  return asked
end

local function add_missing(message, name, value)
  if not message:get_first_named_header_value(name) then
    message:append_header(name, value)
  end
end

--- Fields that a submission server adds where they are missing (RFC 6409, 8), and takes away.
function M.complete(message, message_id, domain)
  add_missing(message, 'Date', os.date '!%a, %d %b %Y %H:%M:%S +0000')
  add_missing(message, 'Message-ID', string.format('<%s@%s>', message_id, domain))
  message:remove_all_named_headers 'Bcc'
end

--- One-click unsubscription (RFC 8058), with a token that core.tracking reads.
function M.unsubscribe(message, node, rid)
  -- The token says which recipient it is: an array of two strings in MessagePack.
  local payload = string.char(0x92, 0xd9, #rid) .. rid .. string.char(0xa0)
  local signature = kumo.digest.hmac_sha256({ key_data = node.unsubscribe_key }, payload).bytes:sub(1, 16)
  local token = kumo.encode.base64url_nopad_encode(signature .. payload)
  message:remove_all_named_headers 'List-Unsubscribe'
  message:remove_all_named_headers 'List-Unsubscribe-Post'
  message:append_header('List-Unsubscribe', string.format('<%s%s>', node.unsubscribe_url, token))
  message:append_header('List-Unsubscribe-Post', 'List-Unsubscribe=One-Click')
end

--- Feedback-ID: campaign, organization, vMTA or pool, and the sender that mailbox providers count complaints by.
-- A message that brings its own keeps it.
function M.feedback(message, campaign, organization, tenant, sender)
  add_missing(message, 'Feedback-ID', table.concat({ campaign or '-', organization, tenant, sender }, ':'))
end

return M
