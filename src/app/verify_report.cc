// SPDX-License-Identifier: MIT
#include "app/verify_report.h"

#include "app/report_text.h"

namespace sb::app {
namespace {

double seconds(Millis t) { return static_cast<double>(t.count()) / 1e3; }

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
  t.line("run", "{} publishers, {} subscribers{}, {} topics, QoS {} at {}; {:.1f} s, drained in {:.1f} s, seed {}",
         o.publishers, o.subscribers, o.shared ? fmt::format(" and {} that share", o.shared) : "", o.topics, o.qos,
         where, r.publishing_seconds, r.draining_seconds, r.seed);
  t.line("sent", "{} publishes: {} acknowledged, {} refused, {} unanswered", c.sent, c.acknowledged, c.refused,
         c.of(Breach::unanswered));
  t.line("delivered", "{} messages; owed {}", c.delivered, c.owed);
  t.line("lost", "{}", c.of(Breach::lost));
  t.line("duplicates", "QoS 2: {}; QoS 1: {}, which is allowed{}", c.of(Breach::duplicate), c.repeated,
         c.copies ? fmt::format("; {} for overlapping filters, too", c.copies) : "");
  t.line("disorder", "{}", c.of(Breach::disorder));
  t.line("forged", "{}, misrouted {}, wrong QoS {}", c.of(Breach::forged), c.of(Breach::misrouted),
         c.of(Breach::wrong_qos));
  t.line("sessions", "{} of subscribers forgotten, {} of publishers", d.lost_sessions, d.lost_publishers);
  t.line("reconnects", "{}, after {} cuts and {} absences made here, and {} losses and failed attempts", d.reconnects,
         d.cuts, d.absences, d.losses);
  if (o.kills)
    t.line("kills", "{}, longest until a client was accepted again {:.2f} s", f.kills, seconds(f.longest_restart));
  if (!o.fault.empty()) t.line("faults", "{} commands, of which {} failed", f.commands, f.failed_commands);
  t.line("pause", "{:.2f} s, the longest without a delivery", seconds(d.longest_pause));
  for (const Finding& finding : r.findings) t.line("", "{}", finding.text());
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
  number("shared", o.shared);
  number("topics", o.topics);
  j.text("qos", o.qos);
  j.number("seconds", r.publishing_seconds, 3);
  j.number("drain_seconds", r.draining_seconds, 3);
  number("sent", c.sent);
  number("acknowledged", c.acknowledged);
  number("refused", c.refused);
  number("unanswered", c.of(Breach::unanswered));
  number("owed", c.owed);
  number("delivered", c.delivered);
  number("lost", c.of(Breach::lost));
  number("qos2_duplicates", c.of(Breach::duplicate));
  number("qos1_repeats", c.repeated);
  number("overlap_copies", c.copies);
  number("disorder", c.of(Breach::disorder));
  number("forged", c.of(Breach::forged));
  number("misrouted", c.of(Breach::misrouted));
  number("wrong_qos", c.of(Breach::wrong_qos));
  number("lost_sessions", d.lost_sessions);
  number("lost_publisher_sessions", d.lost_publishers);
  number("unreachable", d.unreachable);
  number("reconnects", d.reconnects);
  number("cuts", d.cuts);
  number("absences", d.absences);
  number("connection_losses", d.losses);
  number("kills", r.faults.kills);
  j.number("longest_restart_seconds", seconds(r.faults.longest_restart), 3);
  number("fault_commands", r.faults.commands);
  number("failed_fault_commands", r.faults.failed_commands);
  j.number("longest_pause_seconds", seconds(d.longest_pause), 3);
  std::vector<std::string> named;
  for (const Finding& finding : r.findings) named.push_back(finding.text());
  j.list("findings", named);
  return j.done();
}

}  // namespace sb::app
