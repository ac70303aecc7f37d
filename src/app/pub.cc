// SPDX-License-Identifier: MIT
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>

#include "app/client_run.h"
#include "app/commands.h"
#include "app/flag_checks.h"
#include "app/pub_source.h"
#include "base/utf8.h"
#include "model/topic.h"

namespace sb::app {
namespace {

std::string footer() {
  return property_help() +
         "\n"
         "Examples:\n"
         "  signalbox pub -t sensors/kitchen -m 21.5\n"
         "  signalbox pub -t sensors/kitchen -m 21.5 -q 1 -r\n"
         "  signalbox pub -L mqtts://user:secret@broker.example:8883/alarm -m fire -q 2\n"
         "  tail -f access.log | signalbox pub -t log/web -l\n"
         "  signalbox pub -t picture -f photo.jpg -D publish content-type image/jpeg\n"
         "\n"
         "Exit status: 0 when everything was published (QoS 1 and 2: acknowledged), 1 failure, 2 wrong command line.";
}

struct PubFlags {
  ClientFlags client;
  std::string topic, file;
  std::optional<std::string> message;
  bool lines = false, whole_stdin = false, null = false, retain = false;
  std::uint8_t qos = 0;
  std::uint16_t max_inflight = 20;
  std::uint64_t repeat = 1;
  double repeat_delay = 0;
};

/// Shows on a terminal how many messages went out, at most twice a second.
class Progress {
 public:
  explicit Progress(bool on) : on_(on && ::isatty(STDERR_FILENO)) {}
  void show(MonoTime now, std::uint64_t sent, std::size_t waiting) {
    if (!on_) return;
    if (begin_ == MonoTime{}) begin_ = last_ = now;
    if (now - last_ < Millis(500)) return;
    last_ = now;
    double seconds = static_cast<double>((now - begin_).count()) / 1000;
    fmt::print(stderr, "\r{} published, {:.0f}/s, {} unacknowledged\033[K", sent, static_cast<double>(sent) / seconds,
               waiting);
    std::fflush(stderr);
    shown_ = true;
  }
  void end() const {
    if (shown_) fmt::print(stderr, "\n");
  }

 private:
  bool on_, shown_ = false;
  MonoTime begin_{}, last_{};
};

class PubRun final : public ClientRun {
 public:
  PubRun(const PubFlags& flags, ClientSetup& setup, PubSource& source)
      : ClientRun(flags.client, setup, "pub"),
        pub_(flags),
        source_(source),
        progress_(flags.lines || flags.repeat > 1) {
    reconnect_ = flags.lines || flags.repeat > 1;
    source_.watch(loop_, [this] { pump(); });
  }
  ~PubRun() override {
    loop_.timers().cancel(pause_);
    source_.unwatch(loop_);
    progress_.end();
  }

 private:
  void on_connected(const mqtt::Connack& c) override {
    ClientRun::on_connected(c);
    pump();
  }
  void on_room() override { pump(); }
  void on_interrupt() override {
    std::size_t waiting = engine().unacknowledged();
    if (waiting > 0) fail(fmt::format("interrupted; {} messages were not acknowledged", waiting));
    leave();
  }
  void on_published(std::uint64_t token, mqtt::Reason reason, std::string_view text) override {
    if (!ok(reason)) {
      ++refused_;
      if (refused_ <= kToldRefusals)
        fail(fmt::format("message {} to {} was refused: {}", token, pub_.topic, in_words(reason, text)));
    } else if (reason == mqtt::Reason::no_matching_subscribers) {
      debug(fmt::format("message {}: nobody has subscribed", token));
    }
    leave_when_done();
  }
  void on_closed(const client::Stop& stop) override {
    if (refused_ > kToldRefusals) warn(fmt::format("{} messages were refused in all", refused_));
    refused_ = 0;
    ClientRun::on_closed(stop);
  }

  void pump() {
    if (leaving_ || !engine().connected() || pause_.armed()) return;
    while (const std::string_view* payload = source_.next()) {
      error_code e = engine().publish({.topic = pub_.topic,
                                       .payload = *payload,
                                       .properties = setup_.properties.publish,
                                       .qos = pub_.qos,
                                       .retain = pub_.retain},
                                      sent_ + 1);
      if (e == client::errc::window_full || e == client::errc::output_full) break;
      if (e) {
        fail(fmt::format("cannot publish to {}: {}", pub_.topic, e.message()));
        return leave();
      }
      source_.take();
      ++sent_;
      if (pub_.repeat_delay > 0 && !source_.done()) {
        auto pause = Millis(static_cast<std::int64_t>(pub_.repeat_delay * 1000));
        loop_.timers().set(pause_, loop_.now() + pause);
        break;
      }
    }
    progress_.show(loop_.now(), sent_, engine().unacknowledged());
    leave_when_done();
  }
  void leave_when_done() {
    if (leaving_ || !source_.done() || engine().unacknowledged() > 0) return;
    if (!source_.error().empty()) fail(source_.error());
    debug(fmt::format("{} published", sent_));
    leave();
  }

  static constexpr std::uint64_t kToldRefusals = 5;
  const PubFlags& pub_;
  PubSource& source_;
  Progress progress_;
  CallTimer pause_{[this] { pump(); }};
  std::uint64_t sent_ = 0, refused_ = 0;
};

PubSource source_of(const PubFlags& f) {
  int given = f.message.has_value() + !f.file.empty() + f.lines + f.whole_stdin + f.null;
  if (given != 1) {
    throw CLI::ValidationError(given == 0 ? "what to publish is missing" : "there is more than one thing to publish",
                               "use one of -m, -f, -l, -s and -n");
  }
  if (f.lines && (f.repeat != 1 || f.repeat_delay > 0)) throw CLI::ValidationError("--repeat", "does not go with -l");
  if (f.lines) return PubSource::lines(STDIN_FILENO);
  std::string payload = f.message.value_or("");
  if (f.whole_stdin) payload.assign(std::istreambuf_iterator<char>(std::cin), {});
  if (!f.file.empty()) {
    std::ifstream in(f.file, std::ios::binary);
    if (in) payload.assign(std::istreambuf_iterator<char>(in), {});
    if (!in) throw CLI::ValidationError("--file", fmt::format("cannot read {}", f.file));
  }
  if (payload.size() > mqtt::kMaxRemainingLength)
    throw CLI::ValidationError("--file", "a message of MQTT has less than 256 MiB");
  return PubSource::repeated(std::move(payload), f.repeat);
}

int run_pub(PubFlags f) {
  ClientSetup setup = prepare_client(f.client, "pub");
  if (f.topic.empty()) f.topic = setup.url_topic;
  if (f.topic.empty()) throw CLI::ValidationError("--topic", "is missing: add -t TOPIC");
  if (!model::is_topic_name(f.topic) || !is_mqtt_utf8(f.topic)) {
    throw CLI::ValidationError(
        "--topic", fmt::format("\"{}\" is no topic to publish to: 1 to 65535 bytes of UTF-8 without + and #", f.topic));
  }
  setup.options.max_inflight = f.max_inflight;
  PubSource source = source_of(f);
  return run_client(f.client, std::move(setup), "pub",
                    [&](ClientSetup& s) { return std::make_unique<PubRun>(f, s, source); });
}

}  // namespace

void add_pub_command(CLI::App& app, Exit& exit) {
  auto* command = app.add_subcommand("pub", "Publish messages");
  auto f = std::make_shared<PubFlags>();
  const char* g = "Message";
  command->add_option("-t,--topic", f->topic, "Topic to publish to")->group(g)->type_name("TOPIC");
  command->add_option("-m,--message", f->message, "Payload")->group(g)->type_name("TEXT");
  command->add_option("-f,--file", f->file, "Payload from a file")->group(g)->type_name("FILE");
  command->add_flag("-l,--stdin-line", f->lines, "One message for each line of standard input")->group(g);
  command->add_flag("-s,--stdin-file", f->whole_stdin, "Payload from the whole of standard input")->group(g);
  command->add_flag("-n,--null-message", f->null, "Empty payload; with -r it removes the retained message")->group(g);
  command->add_option("-q,--qos", f->qos, "Quality of service; 0 by default")
      ->group(g)
      ->type_name("0|1|2")
      ->check(within(0, 2));
  command->add_flag("-r,--retain", f->retain, "The broker keeps the message for later subscribers")->group(g);
  command->add_option("--repeat", f->repeat, "Publish it this many times")
      ->group(g)
      ->type_name("COUNT")
      ->check(positive());
  command->add_option("--repeat-delay", f->repeat_delay, "Seconds between the repetitions")
      ->group(g)
      ->type_name("SECONDS")
      ->check(not_negative());
  command->add_option("-M,--max-inflight", f->max_inflight, "Unacknowledged messages at most; 20 by default")
      ->group(g)
      ->type_name("COUNT")
      ->check(within(1, 65000));
  add_client_flags(*command, f->client);
  command->footer(footer());
  command->callback([f, &exit] { exit.code = run_pub(*f); });
}

}  // namespace sb::app
