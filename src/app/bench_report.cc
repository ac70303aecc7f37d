// SPDX-License-Identifier: MIT
#include "app/bench_report.h"

#include <fmt/format.h>

#include <limits>

#include "app/report_text.h"

namespace sb::app {
namespace {

double per(double value, double by) { return by > 0 ? value / by : 0; }
double count(std::uint64_t n) { return static_cast<double>(n); }

/// "12.3 us", "4.56 ms", "1.20 s"
std::string duration(std::uint64_t ns) {
  double v = count(ns);
  if (v < 1e6) return fmt::format("{:.1f} us", v / 1e3);
  if (v < 1e9) return fmt::format("{:.2f} ms", v / 1e6);
  return fmt::format("{:.2f} s", v / 1e9);
}

/// What the CPU figures are per: deliveries, or connections.
double units(const BenchOptions& o, const BenchResult& r) {
  return count(o.publishes() ? r.measured.received : r.measured.connects);
}

double bytes_per_connection(const BenchResult& r) { return per(count(r.rss_after) - count(r.rss_before), r.open); }

void add_flow(ReportTable& t, const BenchOptions& o, const BenchResult& r) {
  t.line("published", "{:>12.0f} /s   {} messages of {} bytes, QoS {}", per(count(r.measured.published), r.seconds),
         r.measured.published, o.payload, o.qos);
  t.line("delivered", "{:>12.0f} /s   {} messages", per(count(r.measured.received), r.seconds), r.measured.received);
  t.line("lost", "{}, duplicates {}{}", r.lost, r.total.duplicates,
         o.scenario == Scenario::shared ? "" : fmt::format(", out of order {}", r.total.reordered));
  if (r.total.refused) t.line("refused", "{} publishes were answered with an error", r.total.refused);
  if (r.total.behind) t.line("behind", "{} publishes were given up: this pace cannot be kept", r.total.behind);
  if (r.total.stalls) t.line("stalls", "{} windows stood still for a second and were opened again", r.total.stalls);
}

void add_idle(ReportTable& t, const BenchOptions& o, const BenchResult& r) {
  t.line("opened", "{} connections in {:.2f} s: {:.0f} /s", r.open, r.opening_seconds, per(r.open, r.opening_seconds));
  if (o.pids.empty()) return;
  t.line("memory", "{:.0f} bytes per connection ({:.1f} MiB in all)", bytes_per_connection(r),
         count(r.rss_after) / 1048576);
  t.line("CPU", "{:.1f} us per connection while opening, {:.2f} % of a core while idle",
         per(r.opening_cpu_seconds * 1e6, r.open), per(r.broker_cpu_seconds * 100, r.seconds));
}

const char* warning(const BenchOptions& o, const BenchResult& r) {
  if (o.scenario != Scenario::idle && r.own_cpu_seconds > 0.9 * r.seconds * o.threads)
    return "note: the generator used its cores up; the broker may do more. Try --threads, or --rate for latencies.\n";
  if (o.publishes() && o.rate <= 0)
    return "note: at full speed the latency is mostly waiting in the window; use --rate to measure the broker's.\n";
  return "";
}

}  // namespace

std::string bench_table(const BenchOptions& o, const client::Target& target, const BenchResult& r) {
  ReportTable t;
  std::string who = o.publishes() ? fmt::format("{} publishers, {} subscribers", o.pubs, o.subs)
                                  : fmt::format("{} connections", o.conns);
  std::string pace = !o.publishes() ? ""
                     : o.rate > 0   ? fmt::format(", {:.0f} messages/s", o.rate)
                                    : fmt::format(", window {}", o.window);
  t.line("scenario", "{} at {}: {}{}, {:.1f} s", o.scenario_name, target.name(), who, pace, r.seconds);
  if (o.publishes()) add_flow(t, o, r);
  if (o.scenario == Scenario::idle) add_idle(t, o, r);
  if (o.scenario == Scenario::connect)
    t.line("connects", "{:>12.0f} /s   {} connections", per(count(r.measured.connects), r.seconds),
           r.measured.connects);
  if (o.scenario != Scenario::idle) {
    t.line("latency", "p50 {}, p99 {}, p99.9 {}, max {}", duration(r.latency.quantile(.5)),
           duration(r.latency.quantile(.99)), duration(r.latency.quantile(.999)), duration(r.latency.max()));
    if (!o.pids.empty())
      t.line("broker", "{:.2f} us CPU per {}, {:.0f} % of a core, {:.1f} MiB",
             per(r.broker_cpu_seconds * 1e6, units(o, r)), o.publishes() ? "delivered message" : "connection",
             per(r.broker_cpu_seconds * 100, r.seconds), count(r.rss_after) / 1048576);
    t.line("generator", "{:.2f} us CPU per {}, {:.0f} % of a core", per(r.own_cpu_seconds * 1e6, units(o, r)),
           o.publishes() ? "delivered message" : "connection", per(r.own_cpu_seconds * 100, r.seconds));
  }
  if (r.total.disconnects) t.line("disconnects", "{}", r.total.disconnects);
  return t.text() + warning(o, r);
}

std::string bench_json(const BenchOptions& o, const client::Target& target, const BenchResult& r) {
  JsonLine j;
  j.text("scenario", o.scenario_name);
  j.text("target", target.name());
  j.number("seconds", r.seconds, 3);
  if (o.publishes()) {
    j.number("pubs", std::uint64_t{o.pubs});
    j.number("subs", std::uint64_t{o.subs});
    j.number("qos", std::uint64_t{o.qos});
    j.number("payload", std::uint64_t{o.payload});
    o.rate > 0 ? j.number("rate", o.rate, 1) : j.number("window", std::uint64_t{o.window});
    j.number("published", r.measured.published);
    j.number("published_per_s", per(count(r.measured.published), r.seconds), 1);
    j.number("delivered", r.measured.received);
    j.number("delivered_per_s", per(count(r.measured.received), r.seconds), 1);
    j.number("lost", r.lost);
    j.number("duplicates", r.total.duplicates);
    if (o.scenario != Scenario::shared) j.number("reordered", r.total.reordered);
    j.number("refused", r.total.refused);
    j.number("behind", r.total.behind);
    j.number("stalls", r.total.stalls);
  }
  if (o.scenario == Scenario::connect) {
    j.number("connects", r.measured.connects);
    j.number("connects_per_s", per(count(r.measured.connects), r.seconds), 1);
  }
  if (o.scenario == Scenario::idle) {
    j.number("connections", std::uint64_t{r.open});
    j.number("opening_seconds", r.opening_seconds, 3);
  } else {
    auto us = [&](const char* name, std::uint64_t ns) { j.number(name, count(ns) / 1e3, 1); };
    us("latency_p50_us", r.latency.quantile(.5));
    us("latency_p99_us", r.latency.quantile(.99));
    us("latency_p999_us", r.latency.quantile(.999));
    us("latency_max_us", r.latency.max());
    j.number("generator_cpu_us_per_unit", per(r.own_cpu_seconds * 1e6, units(o, r)), 3);
  }
  j.number("disconnects", r.total.disconnects);
  if (o.pids.empty()) return j.done();
  j.number("broker_cpu_seconds", r.broker_cpu_seconds, 2);
  j.number("broker_rss_bytes", r.rss_after);
  if (o.scenario == Scenario::idle) {
    j.number("broker_bytes_per_connection", bytes_per_connection(r), 0);
    j.number("broker_cpu_us_per_connection", per(r.opening_cpu_seconds * 1e6, r.open), 2);
  } else {
    j.number(o.publishes() ? "broker_cpu_us_per_message" : "broker_cpu_us_per_connection",
             per(r.broker_cpu_seconds * 1e6, units(o, r)), 3);
  }
  return j.done();
}

}  // namespace sb::app
