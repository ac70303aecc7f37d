// SPDX-License-Identifier: MIT
#include "app/logging.h"

#include <spdlog/formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <ctime>
#include <mutex>

namespace sb::app {
namespace {

/// One JSON object per line: time, level, message.
class JsonFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& m, spdlog::memory_buf_t& out) override {
    auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(m.time.time_since_epoch()).count();
    std::time_t seconds = ms / 1000;
    std::tm utc{};
    ::gmtime_r(&seconds, &utc);
    char at[32];
    std::strftime(at, sizeof at, "%Y-%m-%dT%H:%M:%S", &utc);
    auto level = spdlog::level::to_string_view(m.level);
    fmt::format_to(std::back_inserter(out), R"({{"time":"{}.{:03}Z","level":"{}","message":")", at, ms % 1000,
                   std::string_view(level.data(), level.size()));
    for (char c : m.payload) {
      auto u = static_cast<unsigned char>(c);
      if (c == '"' || c == '\\') {
        out.push_back('\\');
        out.push_back(c);
      } else if (u < 0x20) {
        fmt::format_to(std::back_inserter(out), "\\u{:04x}", u);
      } else {
        out.push_back(c);
      }
    }
    std::string_view end = "\"}\n";
    out.append(end.data(), end.data() + end.size());
  }
  std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<JsonFormatter>(); }
};

/// The one sink of the logger, behind which the real one can be changed while other threads log.
class SwitchSink final : public spdlog::sinks::sink {
 public:
  void change(std::shared_ptr<spdlog::sinks::sink> to) {
    std::lock_guard lock(mutex_);
    to_ = std::move(to);
  }
  void log(const spdlog::details::log_msg& m) override {
    std::lock_guard lock(mutex_);
    if (to_) to_->log(m);
  }
  void flush() override {
    std::lock_guard lock(mutex_);
    if (to_) to_->flush();
  }
  void set_pattern(const std::string&) override {}
  void set_formatter(std::unique_ptr<spdlog::formatter>) override {}

 private:
  std::mutex mutex_;
  std::shared_ptr<spdlog::sinks::sink> to_;
};

SwitchSink& the_sink() {
  static const auto sink = [] {
    auto s = std::make_shared<SwitchSink>();
    spdlog::set_default_logger(std::make_shared<spdlog::logger>("signalbox", s));
    return s;
  }();
  return *sink;
}

spdlog::level::level_enum level_of(config::LogLevel l) {
  switch (l) {
    case config::LogLevel::trace:
      return spdlog::level::trace;
    case config::LogLevel::debug:
      return spdlog::level::debug;
    case config::LogLevel::info:
      return spdlog::level::info;
    case config::LogLevel::warn:
      return spdlog::level::warn;
    case config::LogLevel::error:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

}  // namespace

std::string set_up_logging(const config::LogConfig& c) {
  std::shared_ptr<spdlog::sinks::sink> sink;
  try {
    if (c.file.empty())
      sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    else
      sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(c.file);
  } catch (const std::exception& e) {
    return e.what();
  }
  if (c.format == config::LogFormat::json)
    sink->set_formatter(std::make_unique<JsonFormatter>());
  else
    sink->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
  the_sink().change(std::move(sink));
  spdlog::default_logger_raw()->set_level(level_of(c.level));
  spdlog::default_logger_raw()->flush_on(spdlog::level::warn);
  return {};
}

}  // namespace sb::app
