// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace sb::cluster {

/// What a node knows of the others, from what it reads of them now and then: who is a member, who is lost, who has to
/// be fenced. No I/O; the caller gives the time. PROTOCOLS 4.
class Members {
 public:
  /// `me` is not among the members. `lease`: how long a node may be silent.
  Members(std::string me, Millis lease) : me_(std::move(me)), lease_(lease) {}

  struct Event {
    enum class Kind : std::uint8_t {
      found,    ///< a member, or one with another epoch
      lost,     ///< fenced, or followed by a later epoch: told once, after it was found
      suspect,  ///< without a lease for too long: to be fenced; told again until it is
      clean,   ///< fenced, and it is this node's turn to clean up behind it; told again until it is not listed any more
      undead,  ///< lost, and has a lease: Redis has forgotten that it was fenced; told again while it has
    } kind;
    std::string node;
    std::uint64_t epoch;
    std::string detail;  ///< found: what it says of itself
    friend bool operator==(const Event&, const Event&) = default;
  };
  struct Listed {
    std::uint64_t epoch = 0;
    std::string detail;
  };
  /// Who stands in the list of nodes.
  std::vector<Event> listed(const std::map<std::string, Listed>& nodes);

  struct Reading {
    std::uint64_t connection = 0;  ///< another number: there was a reconnect in between
    bool lease = false;            ///< it is there
    std::uint64_t fenced = 0;      ///< highest epoch that is
  };
  /// What its keys say; null: they could not be read.
  std::vector<Event> read(std::string_view node, const Reading* r, MonoTime now);
  /// Redis has forgotten things: nobody is suspected for a whole lease.
  void doubt();
  /// Knows nobody, as in the beginning.
  void clear() { members_.clear(); }
  /// It has said that it goes.
  std::vector<Event> left(std::string_view node, std::uint64_t epoch);

  /// Nodes whose keys are to be read.
  std::vector<std::string> watched() const;
  /// The epoch of a member, 0: it is none.
  std::uint64_t epoch(std::string_view node) const;
  enum class Fate : std::uint8_t { lives, over, unknown };
  /// What has become of this life of a node: it is over when it was fenced, or followed by another.
  Fate fate(std::string_view node, std::uint64_t epoch) const;

 private:
  struct Member {
    std::uint64_t epoch = 0;
    std::string detail;
    bool found = false, lost = false, listed = false;
    bool lease = true;  ///< as last read
    std::uint64_t connection = 0;
    MonoTime reads_since = kNever;  ///< reads have succeeded since then, on one connection
    MonoTime fenced_since = kNever;
  };
  void lose(const std::string& node, Member& m, std::vector<Event>& out);
  Millis turn() const;

  const std::string me_;
  const Millis lease_;
  std::map<std::string, Member, std::less<>> members_;
};

}  // namespace sb::cluster
