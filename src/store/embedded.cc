// SPDX-License-Identifier: MIT
#include "store/embedded.h"

#include "store/embedded_engine.h"
#include "store/embedded_logs.h"
#include "store/embedded_retained.h"
#include "store/embedded_sessions.h"

namespace sb::store {

std::string open_embedded(const EmbeddedOptions& options, OnLog on_log, Backend& out) {
  auto engine = std::make_unique<embedded::EmbeddedEngine>(options);
  Backend b;
  b.logs = std::make_unique<embedded::EmbeddedLogs>(*engine, std::move(on_log));
  b.sessions = std::make_unique<embedded::EmbeddedSessions>(*engine, *b.logs);
  b.retained = std::make_unique<embedded::EmbeddedRetained>(*engine);
  std::string error = engine->open();
  if (!error.empty()) return error;
  b.engine = std::move(engine);
  out = std::move(b);
  return {};
}

}  // namespace sb::store
