//! Orders in Redis: a sorted set for each, of members that are ordered by their bytes, and scripts that make every
//! change of it one step.
//!
//! The first member is the head; then comes each place behind `\1`, for the whole list, and each place once more
//! behind its kind, for that part of it. All scores are zero.

use redis::Script;

use super::entry::{Entry, Generation, Version};
use super::key::CacheKey;
use super::order::{Change, Changed, Filling, Gap, Head, Lack, MAX_PLACES, Ordered, PLACE, Place, WHOLE, Window};
use super::redis::{RedisCache, millis};

/// Keys: the order. Arguments: a marker, how long it stands, the highest and the lowest member that are wanted, and
/// how many. Answers the head or the marker, how many members there are, and those that are wanted.
const LOOK: &str = r"
local kind = redis.call('TYPE', KEYS[1])['ok']
if kind == 'zset' then
  local head = redis.call('ZRANGE', KEYS[1], 0, 0)[1]
  local found = redis.call('ZRANGE', KEYS[1], ARGV[3], ARGV[4], 'BYLEX', 'REV', 'LIMIT', 0, ARGV[5])
  return {head, redis.call('ZCARD', KEYS[1]), found}
end
if kind == 'string' then return {redis.call('GET', KEYS[1]), 0, {}} end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return {ARGV[1], 0, {}}
";

/// Keys: the order. Arguments: the marker or the head that must stand there, how much longer than its marker an
/// order lives, and the members, a head first.
const FILL: &str = r"
local kind = redis.call('TYPE', KEYS[1])['ok']
if kind == 'string' then
  if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
  local left = math.max(redis.call('PTTL', KEYS[1]), 1)
  redis.call('DEL', KEYS[1])
  redis.call('ZADD', KEYS[1], 0, ARGV[3])
  redis.call('PEXPIRE', KEYS[1], ARGV[2] + left)
elseif kind == 'zset' then
  if redis.call('ZRANGE', KEYS[1], 0, 0)[1] ~= ARGV[1] then return 0 end
  redis.call('ZREM', KEYS[1], ARGV[1])
  redis.call('ZADD', KEYS[1], 0, ARGV[3])
else
  return 0
end
for i = 4, #ARGV do redis.call('ZADD', KEYS[1], 0, ARGV[i]) end
return 1
";

/// Keys: the order and the item. Arguments: the version of the change, `put` or `gone`, the place, the most members,
/// and the item's entry with its life, or nothing.
///
/// Texts of bytes are compared byte by byte: Lua compares by the server's locale.
const CHANGE: &str = r"
local function newer(a, b)
  for i = 1, #a do
    local x, y = a:byte(i), b:byte(i)
    if x ~= y then return x > y end
  end
  return false
end
local key, item, place = KEYS[1], KEYS[2], ARGV[3]
local version = tonumber(ARGV[1])
if redis.call('TYPE', key)['ok'] ~= 'zset' then
  redis.call('DEL', key, item)
  return 0
end
local head = redis.call('ZRANGE', key, 0, 0)[1]
local at, floor = tonumber(head:sub(2, 17)), head:sub(18)
if at >= version then
  redis.call('DEL', item)
  return 1
end
if at + 1 ~= version then
  redis.call('UNLINK', key, item)
  return 0
end
if ARGV[2] == 'gone' then
  redis.call('ZREM', key, '\1' .. place, place:sub(-1) .. place)
elseif newer(place, floor) then
  redis.call('ZADD', key, 0, '\1' .. place, 0, place:sub(-1) .. place)
  if redis.call('ZCARD', key) > tonumber(ARGV[4]) then
    floor = redis.call('ZRANGE', key, 1, 1)[1]:sub(2)
    redis.call('ZREM', key, '\1' .. floor, floor:sub(-1) .. floor)
  end
end
redis.call('ZREM', key, head)
redis.call('ZADD', key, 0, '\0' .. string.format('%016d', version) .. floor)
if ARGV[5] ~= '' then redis.call('SET', item, ARGV[5], 'PX', ARGV[6]) else redis.call('DEL', item) end
return 1
";

/// What the first byte of a head is.
const HEAD: u8 = 0;
/// What stands before each place for the whole list.
const ALL: u8 = 1;
/// Most members of an order: its head, and each place twice.
const MAX_MEMBERS: usize = 1 + 2 * MAX_PLACES;

/// The scripts, ready to be called by their digests.
pub(super) struct Scripts {
    look: Script,
    fill: Script,
    change: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self { look: Script::new(LOOK), fill: Script::new(FILL), change: Script::new(CHANGE) }
    }
}

impl RedisCache {
    pub(super) async fn order(&self, key: &CacheKey, window: &Window) -> Ordered {
        let shared = &self.0;
        let Some(link) = shared.breaker.link_to_read(key) else { return Ordered::Unknown };
        let Ok(_seat) = shared.seats.try_acquire() else { return Ordered::Unknown };
        let part = window.kind.unwrap_or(ALL);
        let highest = window
            .after
            .map_or_else(|| vec![b'(', part + 1], |after| [&[b'(', part][..], &after.encode()[..PLACE - 1]].concat());
        let mut question = shared.orders.look.key(key.spell(&link.scope));
        question.arg(Entry::Marker(Version::random()).encode()).arg(millis(key.marker_ttl(shared.ttl)));
        question.arg(highest).arg(&[b'[', part][..]).arg(window.limit);
        let answer: Option<(Vec<u8>, usize, Vec<Vec<u8>>)> =
            shared.breaker.ask(&link, question.invoke_async(&mut link.handle())).await;
        let Some((first, members, found)) = answer else { return Ordered::Unknown };
        let Some(head) = decode(&first) else {
            return match Entry::decode(first) {
                Some(Entry::Marker(version)) => Ordered::Gap(Gap(Lack::All(version))),
                _ => Ordered::Unknown,
            };
        };
        let places: Vec<Place> = found.iter().filter_map(|member| Place::decode(member.get(1..)?)).collect();
        if places.len() == window.limit || head.floor == WHOLE {
            Ordered::Places(places)
        } else if members < MAX_MEMBERS {
            Ordered::Gap(Gap(Lack::Below(head)))
        } else {
            Ordered::Below(Generation(Version::numbered(head.version)))
        }
    }

    pub(super) async fn fill_order(&self, key: &CacheKey, gap: Gap, filling: &Filling) {
        let shared = &self.0;
        let expected = match gap.0 {
            Lack::All(version) => Entry::Marker(version).encode(),
            Lack::Below(head) if head.version == filling.version => encode(&head),
            Lack::Below(_) => return,
        };
        let Some(link) = shared.breaker.link_to_read(key) else { return };
        let Ok(_seat) = shared.seats.try_acquire() else { return };
        let beyond = shared.ttl.saturating_sub(key.marker_ttl(shared.ttl));
        let mut question = shared.orders.fill.key(key.spell(&link.scope));
        question.arg(expected).arg(millis(beyond)).arg(encode(&filling.head()));
        for place in &filling.places {
            question.arg(member(ALL, place)).arg(member(place.kind, place));
        }
        let _filled: Option<u8> = shared.breaker.ask(&link, question.invoke_async(&mut link.handle())).await;
    }

    /// A change that does not land makes order and item be read past until their removal does.
    pub(super) async fn change_order(&self, key: CacheKey, item: CacheKey, change: &Change) {
        let shared = &self.0;
        let landed = match shared.breaker.link() {
            Some(link) => {
                let (what, value) = match &change.what {
                    Changed::Put(Some(value)) => ("put", Entry::Value(value.clone()).encode()),
                    Changed::Put(None) => ("put", Vec::new()),
                    Changed::Gone => ("gone", Vec::new()),
                };
                let mut question = shared.orders.change.key(key.spell(&link.scope));
                question.key(item.spell(&link.scope)).arg(change.version).arg(what);
                question.arg(&change.place.encode()[..]).arg(MAX_MEMBERS).arg(value).arg(millis(shared.ttl));
                let changed: Option<u8> = shared.breaker.ask(&link, question.invoke_async(&mut link.handle())).await;
                changed.is_some()
            }
            None => false,
        };
        if !landed {
            shared.breaker.lost(vec![key, item]);
        }
    }
}

fn member(part: u8, place: &Place) -> Vec<u8> {
    [&[part][..], &place.encode()].concat()
}

fn encode(head: &Head) -> Vec<u8> {
    [&[HEAD][..], format!("{:016}", head.version).as_bytes(), &head.floor].concat()
}

fn decode(member: &[u8]) -> Option<Head> {
    let rest = member.strip_prefix(&[HEAD])?;
    let (version, floor) = rest.split_first_chunk::<16>()?;
    Some(Head { version: std::str::from_utf8(version).ok()?.parse().ok()?, floor: floor.try_into().ok()? })
}
