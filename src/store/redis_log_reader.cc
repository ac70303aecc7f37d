// SPDX-License-Identifier: MIT
#include "store/redis_log_reader.h"

#include <algorithm>
#include <charconv>

#include "base/log.h"
#include "ports/errc.h"
#include "store/redis_log_entry.h"

namespace sb::store {

using model::Position;
using redis::Outcome;

namespace {

std::uint64_t number_at(std::string_view& text) {
  const auto begin = text.find_first_of("0123456789");
  if (begin == std::string_view::npos) return text = {}, 0;
  std::uint64_t n = 0;
  const auto end = std::from_chars(text.data() + begin, text.data() + text.size(), n).ptr;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return n;
}

/// Of HMGET i d s e.
LogHead head_of(const redis::Reply::View& fields) {
  LogHead h;
  const auto incarnation = fields[0].integer();
  h.ended = !fields[1].is_nil();
  if (!incarnation || h.ended) return h;
  h.incarnation = static_cast<std::uint64_t>(*incarnation);
  std::string_view s = fields[2].text(), eras = fields[3].text();
  h.last.generation = number_at(s);
  h.last.offset = number_at(s);
  h.bytes = number_at(s);
  h.messages = h.last.offset - number_at(s);
  while (!eras.empty()) {
    const std::uint64_t generation = number_at(eras);
    const std::uint64_t first = number_at(eras);
    if (generation) h.eras.push_back({generation, first});
  }
  return h;
}

}  // namespace

std::uint64_t LogHead::offset_of(Position p) const {
  std::uint64_t end = last.offset;
  for (auto e = eras.rbegin(); e != eras.rend(); ++e) {
    if (e->generation <= p.generation) return std::min(p.offset, end);
    end = e->first - 1;
  }
  return std::min(p.offset, end);  // of a generation that is not listed any more
}

void LogReader::head(const std::string& state_key, Millis within, std::function<void(result<LogHead>)> done) {
  call_(
      {"HMGET", state_key, "i", "d", "s", "e"}, state_key, within,
      [done = std::move(done)](Outcome& o) {
        if (!o.done()) return done(make_error_code(ports::errc::unavailable));
        done(head_of(o.value()));
      },
      redis::kReads);
}

/// One page on its way.
struct LogReader::Page {
  std::string log_key;
  Position at;
  std::size_t max;
  std::shared_ptr<LogRead> log;
  LogMemory& memory;
  Millis within;
  std::function<void(result<ports::LogPage>)> done;
  LogHead head;
  ports::LogPage page;
  std::size_t bytes = 0;

  bool take(Position last, const redis::Reply::View& fields);
};

/// False when the entry is corrupt.
bool LogReader::Page::take(Position last, const redis::Reply::View& fields) {
  std::string_view entry, known;
  for (std::size_t i = 0; i + 1 < fields.size(); i += 2) {
    const std::string_view name = fields[i].text();
    (name == "b" ? entry : known) = fields[i + 1].text();
  }
  const auto messages = messages_of_entry(entry);
  if (!messages || messages->size() > last.offset) return false;
  Position p{last.generation, last.offset - messages->size() + 1};
  const std::vector<Position> firsts = positions_of_ids(known);
  for (std::size_t i = 0; i < messages->size() && page.messages.size() < max && bytes < kPageBytes; ++i, ++p.offset) {
    if (p <= at) continue;
    if (page.messages.empty()) {
      const std::uint64_t from = head.offset_of(at);
      if (p.offset > from + 1) page.lost = p.offset - from - 1;
    }
    ports::StoredMessage m{p, model::Message::copy((*messages)[i])};
    std::vector<Position> had = firsts;
    for (Position& k : had) k.offset += i;
    if (const auto identity = (*messages)[i].identity) memory.saw(log->id, identity, p, had);
    if (!had.empty()) m.known = std::make_shared<std::vector<Position>>(std::move(had));
    bytes += m.message->footprint();
    page.messages.push_back(std::move(m));
  }
  return true;
}

void LogReader::page(const std::string& log_key, const std::string& state_key, Position after, std::size_t max,
                     std::shared_ptr<LogRead> log, Millis within, std::function<void(result<ports::LogPage>)> done) {
  auto p = std::make_shared<Page>(Page{log_key, after, max, std::move(log), memory_, within, std::move(done), {}, {}});
  // The head first: what the entries do not have behind it came later.
  head(state_key, within, [this, p](result<LogHead> h) {
    if (!h) return p->done(h.error());
    p->head = std::move(*h);
    p->page.head = std::max(p->head.last, p->at);
    p->page.forgetful = !p->head.ended;
    if (p->page.head == p->at) return p->done(std::move(p->page));
    read_on(p);
  });
}

void LogReader::read_on(std::shared_ptr<Page> p) {
  const std::size_t fit = (kPageBytes - p->bytes) / std::max<std::size_t>(p->log->entry_bytes, 1) + 1;
  const std::size_t count = std::clamp<std::size_t>(fit, 1, p->max - p->page.messages.size());
  call_(
      {"XRANGE", p->log_key, "(" + to_id(p->page.messages.empty() ? p->at : p->page.messages.back().position), "+",
       "COUNT", std::to_string(count)},
      p->log_key, p->within,
      [this, p, count](Outcome& o) {
        if (!o.done()) return p->done(make_error_code(ports::errc::unavailable));
        std::size_t entries = 0, bytes = 0;
        for (auto entry : o.value()) {
          const auto last = position_of_id(entry[0].text());
          const auto fields = entry[1];
          if (!last || !p->take(*last, fields)) {
            log::error("store corrupt entry log={} id={}", log::name(p->log_key), entry[0].text());
            return p->done(make_error_code(ports::errc::unavailable));
          }
          ++entries;
          bytes += fields[1].text().size();
        }
        if (entries > 0) p->log->entry_bytes = std::max<std::size_t>(bytes / entries, 64);
        ports::LogPage& page = p->page;
        if (entries == count && page.messages.size() < p->max && p->bytes < kPageBytes) return read_on(p);
        const std::uint64_t from = p->head.offset_of(p->at), upto = p->head.last.offset;
        if (!page.messages.empty())
          page.head = std::max(page.head, page.messages.back().position);
        else if (upto > std::max(from, upto - p->head.messages))
          page.head = p->at;  // Redis has forgotten them between the two commands: they may come again
        else
          page.lost = upto - from;  // all of it was trimmed
        p->done(std::move(page));
      },
      redis::kReads);
}

}  // namespace sb::store
