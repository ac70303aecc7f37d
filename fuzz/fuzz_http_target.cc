// SPDX-License-Identifier: MIT
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "admin/api.h"
#include "http/host_rules.h"
#include "http/router.h"
#include "http/target.h"

namespace {

using namespace sb;
using namespace sb::admin;

/// Of nodes that say nothing.
struct Silent final : Control {
  const std::string& node() const override { return name; }
  void status(const Where&, Done<NodeStatus> done) override { done({}); }
  void clients(const Where&, const ClientQuery& q, Done<ClientPage> done) override {
    if (q.limit < 1 || q.limit > ClientQuery::kMostClients) std::abort();
    done({});
  }
  void kick(const Where&, const std::string& client_id, Done<bool> done) override {
    if (client_id.empty()) std::abort();
    done({});
  }
  void drain(const Where& where, bool, Done<DrainState> done) override {
    if (where.all()) std::abort();  // never all of them
    done({});
  }
  const std::string name = "n";
};

}  // namespace

// A path with its query, and the same bytes as the names in Host and Origin.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (auto plain = http::percent_decode(input)) {
    const auto again = http::percent_decode(http::percent_encode(*plain));
    if (!again || *again != *plain) std::abort();
  }
  if (*http::percent_decode(http::percent_encode(input)) != input) std::abort();
  if (auto q = http::Query::parse(input); q && q->stranger({}) && !q->find(*q->stranger({}))) std::abort();

  static Silent control;
  static const Api api(control, "");
  http::ServerRequest r;
  const std::size_t query = std::min(input.find('?'), input.size());
  r.path = '/' + std::string(input.substr(0, query));
  r.query = input.substr(std::min(query + 1, input.size()));
  for (const char* method : {"GET", "POST", "HEAD", "PUT"}) {
    unsigned answers = 0;
    r.method = method;
    api.handle(r, [&](const http::ServerResponse& response) {
      ++answers;
      if (response.status < 200 || response.status > 599) std::abort();
      for (auto& [name, value] : response.headers)
        if (value.find_first_of("\r\n") != value.npos) std::abort();
    });
    if (answers != 1) std::abort();
  }

  const http::HostRules rules({"broker.example"});
  if (rules.host(input, Ip()) && input.find_first_of(" /@\r\n") != input.npos) std::abort();
  if (rules.origin(input, "localhost") && !input.starts_with("http")) std::abort();
  return 0;
}
