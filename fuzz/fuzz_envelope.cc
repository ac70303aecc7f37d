// SPDX-License-Identifier: MIT
// What other nodes write on the bus. What was read and written again is read as the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "cluster/envelope.h"

namespace {

using namespace sb;

constexpr WallTime kNow{Millis(1'700'000'000'000)};

struct Copy final : cluster::EnvelopeSink {
  std::string out;
  cluster::EnvelopeWriter to{out};
  void on_message(const model::MessageView& m, std::string_view group, std::uint8_t hops) override {
    to.message(m, kNow, group, hops);
  }
  void on_appended(std::string_view f, const store::AppendedRun& r) override { to.appended(f, r, kNow); }
  void on_hello(std::uint64_t e) override { to.hello(e); }
  void on_route(std::string_view f, std::uint8_t w) override { to.route(f, w); }
  void on_routes_end() override { to.routes_end(); }
  void on_log_began(std::string_view f, std::uint64_t i) override { to.log_began(f, i); }
  void on_log_ended(std::string_view f, std::uint64_t i) override { to.log_ended(f, i); }
  void on_kick(std::uint64_t n, std::string_view c, std::uint64_t e) override { to.kick(n, c, e); }
  void on_released(std::uint64_t n) override { to.released(n); }
  void on_connected(std::string_view c, ports::ConnectTime t) override { to.connected(c, t); }
  void on_retained(std::string_view t, std::string_view e) override { to.retained(t, e); }
  void on_barrier(std::uint64_t n) override { to.barrier(n); }
  void on_answer(std::uint64_t n) override { to.answer(n); }
  void on_gap(std::uint64_t n) override { to.gap(n); }
  void on_request(std::uint64_t n, std::string_view k, std::string_view b) override { to.request(n, k, b); }
  void on_reply(std::uint64_t n, std::string_view b) override { to.reply(n, b); }
  void on_read(std::uint64_t n) override { to.read(n); }
  void on_leaving() override { to.leaving(); }
  void on_group(ports::GroupNote&& n) override { to.group(n, kNow); }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Copy first, second;
  cluster::read_envelope({reinterpret_cast<const char*>(data), size}, kNow, first);
  if (cluster::read_envelope(first.out, kNow, second) != cluster::EnvelopeFault::none) std::abort();
  if (first.out != second.out) std::abort();
  return 0;
}
