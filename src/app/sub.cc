// SPDX-License-Identifier: MIT
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <memory>

#include "app/client_run.h"
#include "app/commands.h"
#include "app/flag_checks.h"
#include "app/sub_format.h"
#include "base/utf8.h"
#include "model/topic.h"

namespace sb::app {
namespace {

std::string footer() {
  return "Formats (-F), as of mosquitto_sub: %t topic, %p payload, %x %X payload in hex, %l its length, %q QoS, %r "
         "retain,\n"
         "%m packet id, %j JSON, %J JSON with a payload that is JSON itself, %I time (ISO 8601), %U Unix time,\n"
         "%A topic alias, %C content type, %D correlation data, %E expiry, %F payload format, %P user properties,\n"
         "%R response topic, %S subscription identifier, %% a percent sign; @H, @M, ... as strftime, @N nanoseconds;\n"
         "\\n, \\t, \\0 and so on. Behind the %: 0 or -, a width, a dot and a maximum width, as in printf.\n"
         "\n" +
         property_help() +
         "\n"
         "Examples:\n"
         "  signalbox sub -t 'sensors/#' -v\n"
         "  signalbox sub -t sensors/+/temperature -q 1 --format json\n"
         "  signalbox sub -t alarm -C 1 -W 10\n"
         "  signalbox sub -t 'sensors/#' -F '@H:@M:@S.@N %t %p'\n"
         "  signalbox sub -t '$share/workers/jobs' -q 1 -i worker-1 -c\n"
         "\n"
         "Exit status: 0 when it ended as asked for, 1 failure (also -C not reached within -W), 2 wrong command line.";
}

struct SubFlags {
  ClientFlags client;
  std::vector<std::string> topics, filter_out, unsubscribe;
  std::uint8_t qos = 0;
  bool verbose = false, no_line_end = false, no_retained = false, retained_only = false, remove_retained = false;
  bool exit_when_subscribed = false, pretty = false;
  bool no_local = false, retain_as_published = false;
  std::uint8_t retain_handling = 0;
  std::uint32_t subscription_id = 0;
  std::uint64_t count = 0;
  double timeout = 0;
  std::string format, named_format;
};

class SubRun final : public ClientRun {
 public:
  SubRun(const SubFlags& flags, ClientSetup& setup, const SubFormat& format)
      : ClientRun(flags.client, setup, "sub"), sub_(flags), format_(format) {
    setup.options.manual_ack = true;  // what is not printed is not acknowledged
    reconnect_ = true;
    if (sub_.timeout > 0) {
      auto after = Millis(static_cast<std::int64_t>(sub_.timeout * 1000));
      loop_.timers().set(timeout_, loop_.now() + after);
    }
    loop_.set_turn(&end_of_turn_);
  }
  ~SubRun() override { loop_.timers().cancel(timeout_); }

 private:
  /// Standard output is written once per turn, before the output of the connection.
  struct EndOfTurn final : io::Turn {
    explicit EndOfTurn(SubRun& r) : run(r) {}
    bool on_turn_end() override {
      run.write_out();
      return run.hub_.on_turn_end();
    }
    SubRun& run;
  };

  void on_connected(const mqtt::Connack& c) override {
    ClientRun::on_connected(c);
    // Also when the session is there: the filters or their options may be other ones than last time.
    std::vector<mqtt::SubscribeEntryOut> entries;
    for (auto& t : sub_.topics) {
      mqtt::SubscribeEntryOut e{t, {}};
      e.options.qos = sub_.qos & 3;
      e.options.no_local = sub_.no_local && !model::is_shared(t);
      e.options.retain_as_published = sub_.retain_as_published;
      e.options.retain_handling = sub_.retain_handling & 3;
      entries.push_back(e);
    }
    if (!sub_.unsubscribe.empty()) {
      std::vector<std::string_view> filters(sub_.unsubscribe.begin(), sub_.unsubscribe.end());
      sent(engine().unsubscribe(filters, setup_.properties.unsubscribe).has_error());
    }
    if (!entries.empty()) sent(engine().subscribe(entries, setup_.properties.subscribe).has_error());
  }
  void sent(bool failed) {
    if (!failed) return;
    fail("the topics do not fit into one packet that the broker accepts; use fewer");
    leave();
  }

  void on_suback(const mqtt::SubscribeAck& a) override {
    std::size_t granted = 0;
    for (std::size_t i = 0; i < sub_.topics.size() && i < a.codes.size(); ++i) {
      auto reason = static_cast<mqtt::Reason>(a.codes[i]);
      if (ok(reason)) {
        ++granted;
        debug(fmt::format("subscribed to {} with QoS {}", sub_.topics[i], static_cast<int>(reason)));
        continue;
      }
      std::string_view text =
          a.properties.has(mqtt::PropertyId::reason_string) ? a.properties.reason_string : std::string_view();
      fail(fmt::format("cannot subscribe to {}: {}", sub_.topics[i],
                       engine().version() == mqtt::Version::v5 ? in_words(reason, text) : "the broker refused it"));
    }
    if (granted == 0 || sub_.exit_when_subscribed) leave();
  }
  void on_unsuback(const mqtt::SubscribeAck& a) override {
    for (std::size_t i = 0; i < sub_.unsubscribe.size() && i < a.codes.size(); ++i)
      if (auto reason = static_cast<mqtt::Reason>(a.codes[i]); !ok(reason))
        fail(fmt::format("cannot unsubscribe from {}: {}", sub_.unsubscribe[i], in_words(reason)));
    if (sub_.topics.empty()) leave();
  }

  void on_message(const mqtt::Publish& m) override {
    if (leaving_) return;  // and no acknowledgement: it was asked for so many and no more
    mqtt::PacketId id = m.packet_id;
    std::uint8_t qos = m.qos;
    if (sub_.retained_only && !m.retain) return leave();
    bool last = wanted(m) && print(m);
    if (qos > 0) engine().ack(id, qos);
    if (last) leave();
  }
  bool wanted(const mqtt::Publish& m) {
    for (auto& f : sub_.filter_out)
      if (model::matches(f, m.topic)) return false;
    if (m.retain && sub_.remove_retained) engine().publish({.topic = m.topic, .qos = 1, .retain = true});
    return !(m.retain && sub_.no_retained);
  }
  /// True when it was the last one.
  bool print(const mqtt::Publish& m) {
    timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (!format_.write(m, now, out_)) {
      warn(fmt::format("the payload is not valid JSON on topic {}", m.topic));
    } else if (!sub_.no_line_end) {
      out_ += '\n';
    }
    if (out_.size() >= kWriteSize) write_out();
    return ++printed_ == sub_.count;
  }
  void write_out() {
    std::string_view rest = out_;
    while (!rest.empty()) {
      ssize_t n = ::write(STDOUT_FILENO, rest.data(), rest.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) {
        if (errno != EPIPE) fail(fmt::format("cannot write to standard output: {}", std::strerror(errno)));
        finish(errno == EPIPE ? code_ : kFailure);  // `| head` has seen enough
        break;
      }
      rest.remove_prefix(static_cast<std::size_t>(n));
    }
    out_.clear();
  }

  void on_timeout() {
    if (sub_.count > 0)
      fail(fmt::format("{} of {} messages came within {} seconds", printed_, sub_.count, sub_.timeout));
    leave();
  }
  void on_closed(const client::Stop& stop) override {
    write_out();
    ClientRun::on_closed(stop);
  }

  static constexpr std::size_t kWriteSize = 64 * 1024;
  const SubFlags& sub_;
  const SubFormat& format_;
  std::string out_;
  std::uint64_t printed_ = 0;
  CallTimer timeout_{[this] { on_timeout(); }};
  EndOfTurn end_of_turn_{*this};
};

void check_filter(const char* flag, const std::string& f) {
  bool good = is_mqtt_utf8(f) && (model::is_shared(f) ? model::split_shared(f).has_value() : model::is_topic_filter(f));
  if (good) return;
  throw CLI::ValidationError(
      flag,
      fmt::format("\"{}\" is no topic filter: + and # stand for whole levels, # only for the last; a shared one is "
                  "$share/GROUP/FILTER",
                  f));
}

SubFormat format_of(const SubFlags& f) {
  SubFormat out;
  if (!f.format.empty() && !f.named_format.empty()) throw CLI::ValidationError("--format", "and -F exclude each other");
  std::string text = f.format;
  if (f.named_format == "json") text = "%j";
  if (f.named_format == "hex") text = f.verbose ? "%t %x" : "%x";
  if (text.empty()) return SubFormat::plain(f.verbose);
  std::string problem;
  if (!SubFormat::compile(text, out, problem)) throw CLI::ValidationError("-F", problem + "; --help has the list");
  out.pretty = f.pretty;
  return out;
}

int run_sub(SubFlags f) {
  ClientSetup setup = prepare_client(f.client, "sub");
  if (!setup.url_topic.empty()) f.topics.push_back(setup.url_topic);
  if (f.topics.empty() && f.unsubscribe.empty()) throw CLI::ValidationError("--topic", "is missing: add -t TOPIC");
  for (auto& t : f.topics) check_filter("--topic", t);
  for (auto& t : f.filter_out) check_filter("--filter-out", t);
  for (auto& t : f.unsubscribe) check_filter("--unsubscribe", t);
  bool v5_options = f.no_local || f.retain_as_published || f.retain_handling || f.subscription_id;
  if (v5_options && setup.options.version != mqtt::Version::v5)
    throw CLI::ValidationError("--protocol-version",
                               "subscription options and identifiers are of MQTT 5; leave out -V");
  if (v5_options) setup.version_given = true;
  if (f.subscription_id) {
    mqtt::PropertyWriter w;
    setup.properties.subscribe += w.varint(mqtt::PropertyId::subscription_identifier, f.subscription_id).bytes();
  }
  SubFormat format = format_of(f);
  return run_client(f.client, std::move(setup), "sub",
                    [&](ClientSetup& s) { return std::make_unique<SubRun>(f, s, format); });
}

void add_output_flags(CLI::App& command, SubFlags& f) {
  const char* g = "Output";
  command.add_flag("-v,--verbose", f.verbose, "Print the topic in front of the payload")->group(g);
  command.add_option("-F", f.format, "Format of a message, see below")->group(g)->type_name("FORMAT");
  command.add_option("--format", f.named_format, "text (the default), json or hex")
      ->group(g)
      ->type_name("NAME")
      ->check(CLI::IsMember({"text", "json", "hex"}));
  command.add_flag("--pretty", f.pretty, "JSON with line breaks")->group(g);
  command.add_flag("-N", f.no_line_end, "No line end after a message")->group(g);
  command.add_flag("-R", f.no_retained, "Do not print retained messages")->group(g);
  command.add_flag("--retained-only", f.retained_only, "Print retained messages only; exit with the first other one")
      ->group(g);
  command.add_option("-T,--filter-out", f.filter_out, "Do not print messages of these topics; may be repeated")
      ->group(g)
      ->type_name("FILTER")
      ->allow_extra_args(false);
  command.add_option("-C", f.count, "Exit after this many messages")->group(g)->type_name("COUNT")->check(positive());
  command.add_option("-W", f.timeout, "Exit after this many seconds")
      ->group(g)
      ->type_name("SECONDS")
      ->check(positive());
  command.add_flag("-E", f.exit_when_subscribed, "Exit as soon as the broker has accepted the subscriptions")->group(g);
}

}  // namespace

void add_sub_command(CLI::App& app, Exit& exit) {
  auto* command = app.add_subcommand("sub", "Subscribe, and print messages");
  auto f = std::make_shared<SubFlags>();
  const char* g = "Subscription";
  command->add_option("-t,--topic", f->topics, "Topic filter; may be repeated")
      ->group(g)
      ->type_name("FILTER")
      ->allow_extra_args(false);
  command->add_option("-q,--qos", f->qos, "Highest quality of service; 0 by default")
      ->group(g)
      ->type_name("0|1|2")
      ->check(within(0, 2));
  command
      ->add_option("-U,--unsubscribe", f->unsubscribe, "Unsubscribe a kept session from this filter; may be repeated")
      ->group(g)
      ->type_name("FILTER")
      ->allow_extra_args(false);
  command->add_flag("--remove-retained", f->remove_retained, "Remove the retained messages that come from the broker")
      ->group(g);
  command->add_flag("--no-local", f->no_local, "Not what this client publishes itself (MQTT 5)")->group(g);
  command->add_flag("--retain-as-published", f->retain_as_published, "Keep the retain flag of messages (MQTT 5)")
      ->group(g);
  command
      ->add_option("--retain-handling", f->retain_handling,
                   "Retained messages: 0 send, 1 only for a new subscription, 2 never (MQTT 5)")
      ->group(g)
      ->type_name("0|1|2")
      ->check(within(0, 2));
  command->add_option("--subscription-identifier", f->subscription_id, "Number that comes with the messages (MQTT 5)")
      ->group(g)
      ->type_name("NUMBER")
      ->check(within(1, 268'435'455));
  add_output_flags(*command, *f);
  add_client_flags(*command, f->client);
  command->footer(footer());
  command->callback([f, &exit] { exit.code = run_sub(*f); });
}

}  // namespace sb::app
