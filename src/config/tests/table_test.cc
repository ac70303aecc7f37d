// SPDX-License-Identifier: MIT
#include "config/table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <concepts>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "config/load.h"
#include "config/print.h"
#include "config/reload.h"

namespace sb::config {
namespace {

// How many fields an aggregate has: the longest list of initializers that it takes.
struct Anything {
  template <class T>
  operator T() const;
};
template <class T, class... A>
constexpr std::size_t field_count() {
  if constexpr (requires { T{A{}..., Anything{}}; })
    return field_count<T, A..., Anything>();
  else
    return sizeof...(A);
}

std::size_t rows(std::string_view section) {
  return static_cast<std::size_t>(
      std::count_if(keys().begin(), keys().end(), [&](const Key& k) { return section_of(k.name) == section; }));
}

TEST(Table, HasEveryFieldOfTheModel) {
  EXPECT_EQ(rows("limits"), field_count<model::Limits>()) << "model/limits.h and keys_limits.cc differ";
  EXPECT_EQ(rows("features"), field_count<model::Features>()) << "model/limits.h and keys_limits.cc differ";
}

TEST(Table, NamesAreUniqueAndDocumented) {
  std::set<std::string> names;
  for (const Entry& e : entries(Config{})) {
    EXPECT_TRUE(names.insert(e.name).second) << e.name;
    EXPECT_TRUE(e.key->doc.ends_with('.')) << e.name;
  }
}

// Each row writes the field that it reads, and no other row's.
TEST(Table, ReadsWhatItWrites) {
  const Config plain;
  for (const Entry& e : entries(plain)) {
    Config c;
    Value before = e.key->get(c, e.listener), after = before;
    if (auto* b = std::get_if<bool>(&after))
      *b = !*b;
    else if (auto* n = std::get_if<std::uint64_t>(&after))
      *n = *n == e.key->bounds.max ? *n - 1 : *n + 1;
    else if (auto* list = std::get_if<std::vector<std::string>>(&after))
      *list = {"a=b,c"};
    else if (e.key->type == Type::choice)
      after = std::string(e.key->choices.back());
    else if (e.key->type == Type::address)
      after = std::string("[::1]:99");
    else
      after = std::string("/other");
    e.key->set(c, e.listener, after);
    EXPECT_EQ(e.key->get(c, e.listener), after) << e.name;
    auto changes = diff(plain, c);
    if (after == before) continue;  // a choice of one
    ASSERT_EQ(changes.size(), 1u) << e.name;
    EXPECT_EQ(changes[0].key, e.name);
  }
}

TEST(Table, DefaultsAreAllowed) {
  for (const Entry& e : entries(Config{})) {
    Value v = default_value(Config{}, e);
    EXPECT_EQ(load_text(e.name + " = " + to_toml(*e.key, v), "f").error_text(), "") << e.name;
  }
}

TEST(Table, BoundsAreAllowedAndNothingBeyond) {
  for (const Entry& e : entries(Config{})) {
    const Bounds& b = e.key->bounds;
    bool number = std::holds_alternative<std::uint64_t>(default_value(Config{}, e)) && e.key->type != Type::mode;
    if (!number) continue;
    auto errors = [&](std::uint64_t n) {
      std::string value = std::to_string(n);
      if (e.key->type == Type::duration && e.key->unit_ms == 1) value = '"' + value + "ms\"";
      return load_text(e.name + " = " + value, "f").errors.size();
    };
    EXPECT_EQ(errors(b.min), 0u) << e.name;
    EXPECT_EQ(errors(b.max), 0u) << e.name;
    EXPECT_EQ(errors(b.max + 1), 1u) << e.name;
    if (b.min > 0) {
      EXPECT_EQ(errors(0), b.or_zero ? 0u : 1u) << e.name;
    }
    if (b.min > 1) {
      EXPECT_EQ(errors(b.min - 1), 1u) << e.name;
    }
  }
}

TEST(Table, EveryKeyIsSetByEnvironmentAndCommandLine) {
  for (const Entry& e : entries(Config{})) {
    std::string variable = "SIGNALBOX_";
    for (char c : e.name) variable += c == '.' ? "__" : std::string(1, static_cast<char>(std::toupper(c)));
    Value v = default_value(Config{}, e);
    std::string text = to_toml(*e.key, v);
    if (text.starts_with('"')) text = text.substr(1, text.size() - 2);
    Loaded l = load_text("", "f", {{variable, text}});
    EXPECT_EQ(l.error_text(), "");
    EXPECT_EQ(l.origins.at(e.name).text(), variable);
    l = load_text("", "f", {}, {e.name + '=' + text});
    EXPECT_EQ(l.error_text(), "");
    EXPECT_EQ(l.origins.at(e.name).text(), "--set");
  }
}

TEST(Values, Sizes) {
  struct Case {
    const char* text;
    std::uint64_t bytes;
  };
  for (Case t : {Case{"0", 0},
                 {"7", 7},
                 {"7B", 7},
                 {"1KiB", 1024},
                 {"1 kib", 1024},
                 {"2KB", 2000},
                 {"4MiB", 4u << 20},
                 {"4MB", 4000000},
                 {"3GiB", 3ull << 30},
                 {"3GB", 3000000000},
                 {"1TiB", 1ull << 40}}) {
    std::uint64_t bytes = 1;
    std::string problem;
    EXPECT_TRUE(parse_size(t.text, bytes, problem)) << t.text;
    EXPECT_EQ(bytes, t.bytes) << t.text;
  }
  for (const char* text :
       {"", "B", "-1", "1.5MiB", "1 MiB x", "1K", "0x10", "18446744073709551616", "18014398509481984KiB"}) {
    std::uint64_t bytes = 0;
    std::string problem;
    EXPECT_FALSE(parse_size(text, bytes, problem)) << text;
    EXPECT_NE(problem, "") << text;
  }
  EXPECT_EQ(format_size(0), "0");
  EXPECT_EQ(format_size(1000), "1000");
  EXPECT_EQ(format_size(1024), "1KiB");
  EXPECT_EQ(format_size(3ull << 30), "3GiB");
}

TEST(Values, Durations) {
  struct Case {
    const char* text;
    std::uint64_t ms;
  };
  for (Case t : {Case{"0", 0},
                 {"10", 10000},
                 {"10s", 10000},
                 {"500ms", 500},
                 {"2m", 120000},
                 {"1h", 3600000},
                 {"1d", 86400000}}) {
    std::uint64_t ms = 1;
    std::string problem;
    EXPECT_TRUE(parse_duration(t.text, ms, problem)) << t.text;
    EXPECT_EQ(ms, t.ms) << t.text;
  }
}

TEST(Values, QuotedTextIsSafeToPrint) {
  EXPECT_EQ(quote("a\"b\\c"), R"("a\"b\\c")");
  EXPECT_EQ(quote("\x1b[0m\n\t\x7f"), R"("\u001B[0m\n\t\u007F")");
  EXPECT_EQ(quote("\xc2\x9b"), R"("\u009B")");
  EXPECT_EQ(quote("é…𝄞"), "\"é…𝄞\"");
  EXPECT_EQ(quote("\xc3"), "\"\xEF\xBF\xBD\"");
  EXPECT_EQ(quote("\xff\xfe"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

TEST(Addresses, RoundTrip) {
  for (const char* text :
       {"", "127.0.0.1:1883", "[::]:0", "[fe80::1%eth0]:1", "my-host.example:65535", "unix:/run/x.sock"}) {
    std::string problem;
    auto address = parse_address(text, problem);
    ASSERT_TRUE(address) << text << problem;
    EXPECT_EQ(address->text(), text);
  }
}

std::string without_comment_marks(const std::string& sample) {
  std::string out;
  bool line_start = true;
  for (std::size_t i = 0; i < sample.size(); ++i) {
    bool mark = line_start && sample[i] == '#' && i + 1 < sample.size() && std::islower(sample[i + 1]);
    line_start = sample[i] == '\n';
    if (!mark) out += sample[i];
  }
  return out;
}

TEST(Print, TheSampleIsTheDefaults) {
  Loaded commented = load_text(print_sample(), "s");
  EXPECT_EQ(commented.error_text(), "");
  EXPECT_TRUE(commented.origins.empty());
  EXPECT_TRUE(diff(commented.config, Config{}).empty());

  Loaded live = load_text(without_comment_marks(print_sample()), "s");
  EXPECT_EQ(live.error_text(), "");
  EXPECT_TRUE(diff(live.config, Config{}).empty());
  for (const Entry& e : entries(Config{})) EXPECT_TRUE(live.origins.contains(e.name)) << e.name;
}

TEST(Print, TheEffectiveConfigurationCanBeLoaded) {
  Loaded l = load_text("", "f", {{"SIGNALBOX_LIMITS__MAX_QOS", "1"}},
                       {"listeners.extra.0.type=wss", "listeners.extra.0.bind=[::1]:1", "listeners.extra.0.cert=c",
                        "listeners.extra.0.key=k", "listeners.extra.0.sni=a=b,c", "listeners.extra.1.type=mqtt",
                        "listeners.extra.1.bind=unix:/x \"y\"", "log.level=debug"});
  EXPECT_EQ(l.error_text(), "");
  std::string text = print_effective(l);
  EXPECT_NE(text.find("\nmax_qos = 1                                       # SIGNALBOX_LIMITS__MAX_QOS\n"),
            std::string::npos);
  EXPECT_NE(text.find("\nlevel = \"debug\"                                   # --set\n"), std::string::npos);
  EXPECT_NE(text.find("\ninflight = 1024                                   # default\n"), std::string::npos);
  Loaded again = load_text(text, "g");
  EXPECT_EQ(again.error_text(), "");
  EXPECT_TRUE(diff(l.config, again.config).empty());
}

TEST(Print, Json) {
  Loaded l = load_text("[sys]\ninterval = \"2m\"\n", "f", {}, {"node.name=n1"});
  std::string text = print_json(l);
  EXPECT_NE(text.find("\"node.name\": {\"value\": \"n1\", \"source\": \"--set\"}"), std::string::npos);
  EXPECT_NE(text.find("\"sys.interval\": {\"value\": 120, \"source\": \"f:2\"}"), std::string::npos);
  EXPECT_NE(text.find("\"limits.max_packet_size\": {\"value\": 1048576, \"source\": \"default\"}"), std::string::npos);
  EXPECT_NE(text.find("\"listeners.mqtt.unix_mode\": {\"value\": \"0660\", "), std::string::npos);
}

std::string repository_file(const std::string& name) {
  std::ifstream in(std::filesystem::path(__FILE__).parent_path() / "../../.." / name);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(Print, CheckedInFilesAreUpToDate) {
  EXPECT_TRUE(repository_file("deploy/signalbox.toml") == print_sample())
      << "run: signalbox config print --sample > deploy/signalbox.toml";
  EXPECT_TRUE(repository_file("docs/configuration.md") == print_markdown())
      << "run: signalbox config print --markdown > docs/configuration.md";
}

}  // namespace
}  // namespace sb::config
