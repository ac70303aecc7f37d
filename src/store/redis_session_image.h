// SPDX-License-Identifier: MIT
#pragma once
#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/hash_map.h"
#include "model/session_record.h"
#include "ports/session_store.h"

namespace sb::store {

/// Fields of a record in Redis, with what they shall hold; nothing = they go. What is said last of a field counts.
using RecordFields = StringMap<std::optional<std::string>>;

/// What the record of a session that this node owns holds in Redis, as bytes: so that a change is a few whole fields,
/// which may be written again, and a record that Redis has lost can be written anew. Fields (beside those of the
/// scripts, redis_session_scripts.h):
///
///     t        connected incarnation expires will-due expiry will-delay   (decimal; milliseconds, seconds; - = never)
///     u d b    user name; next order; next publish
///     w        the will with the user name
///     s0 s1 …  subscriptions in chunks of about 4 KB
///     p0 p1 …  the positions of the logged ones of the same chunk, in the same order: a cursor that moves writes only
///              these
///     h0 h1 …  where they stood in earlier generations of their logs, of those of the same chunk that have read such
///     q<id>    outbound packet id          i<id>    inbound packet id
///
/// Costs about the bytes of the record, so that a connected session has them twice: here and in Redis.
class SessionImage {
 public:
  /// A new session: no fields but those of the claim.
  SessionImage() = default;
  /// Takes a field that Redis has. False: it is corrupt, or not one of these.
  bool take(std::string_view field, std::string_view value);
  /// Behind the last field. False: they do not fit together.
  bool complete();

  /// Applies the change, and adds the fields that it changes to `out`.
  void apply(ports::SessionChange&& c, RecordFields& out);
  void erase_outbound(std::uint16_t packet_id, RecordFields& out);
  /// All of its fields.
  RecordFields all() const;
  /// `client_id` and `epoch` are left to the caller.
  model::SessionRecord record() const;
  /// Filters of the subscriptions.
  std::vector<std::string> filters() const;

  bool connected() const { return times_.connected; }
  std::uint64_t incarnation() const { return times_.incarnation; }
  std::uint32_t expiry() const { return times_.expiry; }
  WallTime expires_at() const { return times_.expires_at; }
  /// When something is to happen to it while nobody is connected.
  WallTime next_due() const;
  bool has_will() const { return !will_.empty(); }
  /// Bytes that it takes beside its own.
  std::size_t heap_bytes() const;

  struct Times {
    bool connected = false;
    std::uint64_t incarnation = 0;
    WallTime expires_at = kNoExpiry, will_due = kNoExpiry;
    std::uint32_t expiry = 0, will_delay = 0;
  };

 private:
  static constexpr std::size_t kChunkBytes = 4096;
  struct Chunk {
    std::string subscriptions;               ///< of each its size and its bytes
    std::vector<model::Position> positions;  ///< of the logged ones
    std::uint32_t count = 0;
    /// Filter → SubscriptionRecord::passed; mostly null.
    std::unique_ptr<std::map<std::string, std::vector<model::Position>, std::less<>>> passed;
  };
  static bool pass(Chunk& c, const std::string& filter, const std::vector<model::Position>& passed);
  /// Where a subscription stands.
  struct Place {
    std::size_t chunk = 0, at = 0, size = 0;  ///< bytes, with the size in front
    std::size_t position = 0;                 ///< of the positions: its own, or where it would be
    bool logged = false;
  };
  std::optional<Place> find(std::string_view filter) const;
  bool find_in(std::size_t chunk, std::string_view filter, Place& p) const;
  void index_all();
  std::size_t chunk_with_room(std::size_t bytes);
  void erase(const Place& p, std::string_view filter);
  void put(const model::SubscriptionRecord& s, std::vector<bool>& touched);
  void write_chunk(std::size_t i, bool subscriptions, RecordFields& out) const;
  void write_passed(std::size_t i, RecordFields& out) const;
  std::string times_text() const;

  Times times_;
  std::string username_, will_;
  std::uint64_t next_order_ = 1, next_publish_ = 1;
  std::vector<Chunk> chunks_;
  std::size_t open_chunk_ = 0;  ///< to which new subscriptions go
  /// Hash of a filter → its chunk, where there are several.
  std::unique_ptr<absl::flat_hash_map<std::uint64_t, std::uint32_t>> index_;
  std::vector<std::pair<std::uint16_t, std::string>> outbound_, inbound_;  ///< by packet id
};

/// `t`, as the scripts write it too.
std::string encode_times(const SessionImage::Times& t);
std::optional<SessionImage::Times> decode_times(std::string_view text);

/// `w`.
std::string encode_will(std::string_view username, const model::WillRecord& w);
struct StoredWill {
  std::string username;
  model::WillRecord record;
};
std::optional<StoredWill> decode_will(std::string_view bytes);

/// Filters of a chunk `s<n>`; empty when corrupt.
std::vector<std::string> filters_of_chunk(std::string_view subscriptions);

}  // namespace sb::store
