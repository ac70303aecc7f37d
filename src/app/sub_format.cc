// SPDX-License-Identifier: MIT
#include "app/sub_format.h"

#include <fmt/format.h>

#include <iterator>

#include "app/json_text.h"

namespace sb::app {
namespace {

using mqtt::PropertyId;

constexpr std::string_view kLetters = "ACDEFIJPRSUXjlmpqrtx";
constexpr std::string_view kNumbers = "AEFlmS";  // and hex: these are padded with zeros if asked for

std::size_t read_number(std::string_view text, std::size_t at, int& value) {
  value = 0;
  for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at)
    value = std::min(value * 10 + (text[at] - '0'), 4096);
  return at;
}

char escaped(char c) {
  switch (c) {
    case '0':
      return '\0';
    case 'a':
      return '\a';
    case 'e':
      return '\033';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'v':
      return '\v';
    case '\\':
      return '\\';
    default:
      return 1;  // none
  }
}

std::string broken_down(const timespec& t, const char* format) {
  std::tm tm{};
  localtime_r(&t.tv_sec, &tm);
  char text[256];
  return {text, std::strftime(text, sizeof text, format, &tm)};
}

std::string hex(std::string_view bytes, bool upper) {
  const char* digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
  std::string s;
  s.reserve(bytes.size() * 2);
  for (char c : bytes) {
    s += digits[static_cast<unsigned char>(c) >> 4];
    s += digits[static_cast<unsigned char>(c) & 15];
  }
  return s;
}

bool has(const mqtt::Publish& m, PropertyId id) { return m.has_properties && m.properties.has(id); }

/// A JSON object is written in one line, or one member a line.
class JsonObject {
 public:
  JsonObject(std::string& out, bool pretty, int depth = 0) : out_(out), pretty_(pretty), depth_(depth) { out_ += '{'; }
  std::string& member(std::string_view name) {
    if (!first_) out_ += ',';
    first_ = false;
    line(depth_ + 1);
    add_json_string(out_, name);
    out_ += pretty_ ? ": " : ":";
    return out_;
  }
  void text(std::string_view name, std::string_view v) { add_json_string(member(name), v); }
  void number(std::string_view name, std::uint64_t v) { fmt::format_to(std::back_inserter(member(name)), "{}", v); }
  void close() {
    if (!first_) line(depth_);
    out_ += '}';
  }

 private:
  void line(int depth) {
    if (!pretty_) return;
    out_ += '\n';
    out_.append(static_cast<std::size_t>(depth) * 2, ' ');
  }
  std::string& out_;
  bool pretty_, first_ = true;
  int depth_;
};

void write_properties(const mqtt::Properties& p, bool pretty, std::string& out) {
  using enum PropertyId;
  JsonObject o(out, pretty, 1);
  if (p.has(topic_alias)) o.number("topic-alias", p.topic_alias);
  if (p.has(user_property)) {
    JsonObject users(o.member("user-properties"), pretty, 2);
    for (auto& [k, v] : p.user) users.text(k, v);
    users.close();
  }
  if (p.has(content_type)) o.text("content-type", p.content_type);
  if (p.has(correlation_data)) o.text("correlation-data", p.correlation_data);
  if (p.has(message_expiry_interval)) o.number("message-expiry-interval", p.message_expiry_interval);
  if (p.has(payload_format_indicator)) o.number("payload-format-indicator", p.payload_format_indicator);
  if (p.has(response_topic)) o.text("response-topic", p.response_topic);
  if (p.has(subscription_identifier))
    o.member("subscription-identifier") += fmt::format("{}", fmt::join(p.subscription_identifiers, ","));
  o.close();
}

/// `raw`: the payload is JSON itself. Names and order as mosquitto_sub has them.
void write_json(const mqtt::Publish& m, const timespec& now, bool raw, bool pretty, std::string& out) {
  JsonObject o(out, pretty);
  o.text("tst", iso_time(now, true));
  o.text("topic", m.topic);
  o.number("qos", m.qos);
  o.number("retain", m.retain ? 1 : 0);
  o.number("payloadlen", m.payload.size());
  if (m.qos > 0) o.number("mid", m.packet_id);
  if (m.has_properties && m.properties.present) {
    o.member("properties");
    write_properties(m.properties, pretty, out);
  }
  if (raw)
    o.member("payload") += m.payload.empty() ? std::string_view("null") : m.payload;
  else
    o.text("payload", m.payload);
  o.close();
}

std::string user_properties(const mqtt::Properties& p) {
  std::string s;
  for (auto& [k, v] : p.user) s += fmt::format("{}{}:{}", s.empty() ? "" : " ", k, v);
  return s;
}

}  // namespace

std::string iso_time(const timespec& t, bool micros) {
  std::string zone = broken_down(t, "%z");
  return micros ? fmt::format("{}.{:06}{}", broken_down(t, "%Y-%m-%dT%H:%M:%S"), t.tv_nsec / 1000, zone)
                : broken_down(t, "%Y-%m-%dT%H:%M:%S") + zone;
}

SubFormat SubFormat::plain(bool with_topic) {
  SubFormat f;
  std::string problem;
  compile(with_topic ? "%t %p" : "%p", f, problem);
  return f;
}

void SubFormat::add_literal(char c) {
  if (pieces_.empty() || pieces_.back().kind != Piece::Kind::literal) pieces_.emplace_back();
  pieces_.back().literal += c;
}

bool SubFormat::compile(std::string_view text, SubFormat& out, std::string& problem) {
  out.pieces_.clear();
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c != '%' && c != '@' && c != '\\') {
      out.add_literal(c);
      continue;
    }
    if (++i == text.size()) return problem = fmt::format("it ends with a single {}", c), false;
    if (c == '\\') {
      if (escaped(text[i]) == 1) return problem = fmt::format("there is no \\{}", text[i]), false;
      out.add_literal(escaped(text[i]));
      continue;
    }
    if (text[i] == c) {
      out.add_literal(c);
      continue;
    }
    Piece p;
    p.kind = c == '@' ? Piece::Kind::time : Piece::Kind::message;
    if (c == '%') {
      for (; i < text.size() && (text[i] == '-' || text[i] == '0'); ++i) (text[i] == '-' ? p.left : p.zero) = true;
      i = read_number(text, i, p.width);
      if (i < text.size() && text[i] == '.') i = read_number(text, i + 1, p.precision);
      if (i == text.size() || kLetters.find(text[i]) == std::string_view::npos)
        return problem = fmt::format("there is no %{}", i < text.size() ? text.substr(i, 1) : ""), false;
    }
    p.letter = text[i];
    out.pieces_.push_back(std::move(p));
  }
  return true;
}

bool SubFormat::write(const mqtt::Publish& m, const timespec& now, std::string& out) const {
  std::size_t begin = out.size();
  for (auto& p : pieces_) {
    switch (p.kind) {
      case Piece::Kind::literal:
        out += p.literal;
        break;
      case Piece::Kind::time:
        if (p.letter == 'N') {
          fmt::format_to(std::back_inserter(out), "{:09}", now.tv_nsec);
        } else {
          const char format[] = {'%', p.letter, '\0'};
          out += broken_down(now, format);
        }
        break;
      case Piece::Kind::message:
        if (!write_value(p, m, now, pretty, out)) return out.resize(begin), false;
    }
  }
  return true;
}

bool SubFormat::write_value(const Piece& p, const mqtt::Publish& m, const timespec& now, bool pretty,
                            std::string& out) {
  using enum PropertyId;
  const mqtt::Properties& mp = m.properties;
  std::string made;  // when the value is not there as text
  std::string_view v;
  auto number = [&](auto n) { v = made = fmt::format("{}", n); };
  switch (p.letter) {
    case 't':
      v = m.topic;
      break;
    case 'p':
      v = m.payload;
      break;
    case 'x':
    case 'X':
      v = made = hex(m.payload, p.letter == 'X');
      break;
    case 'l':
      number(m.payload.size());
      break;
    case 'q':
      number(m.qos);
      break;
    case 'r':
      number(m.retain ? 1 : 0);
      break;
    case 'm':
      number(m.packet_id);
      break;
    case 'I':
      v = made = iso_time(now, false);
      break;
    case 'U':
      v = made = fmt::format("{}.{:09}", now.tv_sec, now.tv_nsec);
      break;
    case 'j':
      write_json(m, now, false, pretty, out);
      return true;
    case 'J':
      if (!m.payload.empty() && !is_json(m.payload)) return false;
      write_json(m, now, true, pretty, out);
      return true;
    case 'A':
      if (has(m, topic_alias)) number(mp.topic_alias);
      break;
    case 'C':
      if (has(m, content_type)) v = mp.content_type;
      break;
    case 'D':
      if (has(m, correlation_data)) v = mp.correlation_data;
      break;
    case 'E':
      if (has(m, message_expiry_interval)) number(mp.message_expiry_interval);
      break;
    case 'F':
      if (has(m, payload_format_indicator)) number(mp.payload_format_indicator);
      break;
    case 'P':
      if (has(m, user_property)) v = made = user_properties(mp);
      break;
    case 'R':
      if (has(m, response_topic)) v = mp.response_topic;
      break;
    case 'S':
      if (has(m, subscription_identifier)) v = made = fmt::format("{}", fmt::join(mp.subscription_identifiers, " "));
      break;
    default:
      break;
  }
  if (p.precision >= 0 && p.letter != 'p') v = v.substr(0, static_cast<std::size_t>(p.precision));
  auto width = static_cast<std::size_t>(p.width);
  std::size_t pad = v.size() < width ? width - v.size() : 0;
  bool zeros =
      p.zero && !p.left && (kNumbers.find(p.letter) != std::string_view::npos || p.letter == 'x' || p.letter == 'X');
  if (!p.left) out.append(pad, zeros ? '0' : ' ');
  out += v;
  if (p.left) out.append(pad, ' ');
  return true;
}

}  // namespace sb::app
