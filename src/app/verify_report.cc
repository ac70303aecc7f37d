// SPDX-License-Identifier: MIT
#include "app/verify_report.h"

#include <map>

#include "app/report_text.h"

namespace sb::app {
namespace {

constexpr unsigned kShown = 3;  // findings of each kind in the table; the JSON has more

double seconds(Millis t) { return static_cast<double>(t.count()) / 1e3; }

std::string joined(const VerifyConduct::Reasons& all) {
  std::string text;
  for (const auto& [why, n] : all) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", n, why);
  return text;
}

std::string joined(const std::vector<std::string>& all, const char* between) {
  std::string text;
  for (const std::string& s : all) text += (text.empty() ? "" : between) + s;
  return text;
}

}  // namespace

std::string verify_table(const VerifyOptions& o, const std::string& where, const VerifyResult& r) {
  const VerifyCounts& c = r.counts;
  const VerifyConduct& d = r.conduct;
  const FaultCounts& f = r.faults;
  ReportTable t;
  t.line("run", "{} publishers, {} subscribers{}{}, {} topics, QoS {} at {}; {:.1f} s, drained in {:.1f} s, seed {}",
         o.publishers, o.subscribers, o.volatiles ? fmt::format(", {} without sessions", o.volatiles) : "",
         o.shared ? fmt::format(" and {} that share", o.shared) : "", o.topics, o.qos, where, r.publishing_seconds,
         r.draining_seconds, r.seed);
  t.line("sent", "{} publishes: {} acknowledged, {} refused, {} unanswered; {} times sent again", c.sent,
         c.acknowledged, c.refused, c.of(Breach::unanswered), c.resent);
  if (!d.refused_publishes.empty()) t.line("", "refused: {}", joined(d.refused_publishes));
  t.line("delivered", "{} messages; owed {}", c.delivered, c.owed + c.owed_volatile);
  t.line("lost", "{}", c.of(Breach::lost));
  if (o.volatiles)
    t.line("volatile", "{} lost of {} that were owed to subscribers without sessions", c.of(Breach::lost_volatile),
           c.owed_volatile);
  t.line("duplicates", "QoS 2: {}; QoS 1: {}, which is allowed{}", c.of(Breach::duplicate), c.repeated,
         c.copies ? fmt::format("; {} for overlapping filters, too", c.copies) : "");
  if (o.volatile_publishers) t.line("", "QoS 2 sent anew by publishers without sessions: {}", c.renewed);
  t.line("disorder", "{}; {} overtaken across connections of a publisher, which is allowed", c.of(Breach::disorder),
         c.overtaken);
  t.line("forged", "{}, misrouted {}, wrong QoS {}", c.of(Breach::forged), c.of(Breach::misrouted),
         c.of(Breach::wrong_qos));
  t.line("sessions", "{} forgotten", c.of(Breach::forgotten));
  t.line("connects", "{}", joined(d.connects_by_node));
  if (!d.refused.empty()) t.line("refused", "{}", joined(d.refused));
  if (!d.closed.empty()) t.line("closed", "{}", joined(d.closed));
  t.line("reconnects", "{}, after {} cuts and {} absences made here, and {} losses and failed attempts", d.reconnects,
         d.cuts, d.absences, d.losses);
  if (o.kills)
    t.line("kills", "{}, longest until a client was accepted again {:.2f} s", f.kills, seconds(f.longest_restart));
  if (!o.fault.empty()) t.line("faults", "{} commands, of which {} failed", f.commands, f.failed_commands);
  t.line("pause", "{:.2f} s, the longest without a delivery; of a subscriber {} ms (median), {} ms (subscriber {})",
         seconds(d.longest_pause), d.pauses.median, d.pauses.worst, d.pauses.subscriber);
  std::map<std::string, unsigned> shown;
  for (const std::string& finding : r.findings)
    if (shown[finding.substr(0, finding.find(':'))]++ < kShown) t.line("", "{}", finding);
  t.line("verdict", "{}", r.complaints.empty() ? "all promises held" : "BROKEN: " + joined(r.complaints, "; "));
  return t.text();
}

std::string verify_json(const VerifyOptions& o, const std::string& where, const VerifyResult& r) {
  const VerifyCounts& c = r.counts;
  const VerifyConduct& d = r.conduct;
  JsonLine j;
  auto number = [&](const char* name, std::uint64_t v) { j.number(name, v); };
  j.flag("ok", r.complaints.empty());
  j.list("complaints", r.complaints);
  j.text("target", where);
  number("seed", r.seed);
  number("publishers", o.publishers);
  number("subscribers", o.subscribers);
  number("volatile", o.volatiles);
  number("shared", o.shared);
  number("topics", o.topics);
  j.text("qos", o.qos);
  j.number("seconds", r.publishing_seconds, 3);
  j.number("drain_seconds", r.draining_seconds, 3);
  number("sent", c.sent);
  number("resent", c.resent);
  number("acknowledged", c.acknowledged);
  number("refused_publishes", c.refused);
  j.numbers("refused_publishes_by_reason", d.refused_publishes);
  number("unacknowledged", c.of(Breach::unanswered));
  number("owed", c.owed);
  number("owed_volatile", c.owed_volatile);
  number("deliveries", c.delivered);
  number("lost", c.of(Breach::lost));
  number("lost_volatile", c.of(Breach::lost_volatile));
  number("qos2_duplicates", c.of(Breach::duplicate));
  number("qos2_renewed", c.renewed);
  number("qos1_repeats", c.repeated);
  number("overlap_copies", c.copies);
  number("reordered", c.of(Breach::disorder));
  number("overtaken", c.overtaken);
  number("forged", c.of(Breach::forged));
  number("misrouted", c.of(Breach::misrouted));
  number("wrong_qos", c.of(Breach::wrong_qos));
  number("forgotten_sessions", c.of(Breach::forgotten));
  number("unasked_sessions", d.unasked_sessions);
  number("unreachable", d.unreachable);
  number("connects", d.connects);
  j.numbers("connects_by_node", d.connects_by_node);
  j.numbers("refused", d.refused);
  j.numbers("closed", d.closed);
  number("reconnects", d.reconnects);
  number("cuts", d.cuts);
  number("absences", d.absences);
  number("connection_losses", d.losses);
  number("kills", r.faults.kills);
  j.number("longest_restart_seconds", seconds(r.faults.longest_restart), 3);
  number("fault_commands", r.faults.commands);
  number("failed_fault_commands", r.faults.failed_commands);
  j.number("longest_pause_seconds", seconds(d.longest_pause), 3);
  j.numbers("pauses", {{"median", d.pauses.median}, {"worst", d.pauses.worst}, {"subscriber", d.pauses.subscriber}});
  j.text("worst_pause_until", r.worst_pause_until);
  j.list("findings", r.findings);
  return j.done();
}

}  // namespace sb::app
