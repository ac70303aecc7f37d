// SPDX-License-Identifier: MIT
#include "app/man.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace sb::app {
namespace {

// Text that roff takes literally. A hyphen becomes a minus, so that options can be copied from the page.
std::string escape(std::string_view s) {
  std::string out;
  bool line_start = true;
  for (char c : s) {
    if (line_start && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else if (c == '\'')
      out += "\\(aq";
    else if (c == '`')
      out += "\\(ga";
    else if (c == '^')
      out += "\\(ha";
    else if (c == '~')
      out += "\\(ti";
    else
      out += c;
    line_start = c == '\n';
  }
  return out;
}

std::string bold(std::string_view s) { return fmt::format("\\fB{}\\fR", escape(s)); }
std::string italic(std::string_view s) { return fmt::format("\\fI{}\\fR", escape(s)); }

std::string upper(std::string s) {
  for (char& c : s) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return s;
}

bool is_positional(const OptionInfo& o) { return o.shorts.empty() && o.longs.empty(); }

bool is_help(const OptionInfo& o) { return !o.longs.empty() && o.longs.front() == "help"; }

std::string synopsis(const CommandInfo& c) {
  std::string out = bold(c.path);
  bool options = false;
  for (const auto& o : c.options) options = options || !(is_positional(o) || is_help(o));
  if (options) out += " [" + italic("OPTION") + "]...";
  for (const auto& o : c.options) {
    if (!is_positional(o)) continue;
    std::string name = italic(o.value.empty() ? upper(o.positional) : o.value) + (o.repeats ? "..." : "");
    out += o.required ? ' ' + name : fmt::format(" [{}]", name);
  }
  return out;
}

std::string option(const OptionInfo& o) {
  std::string names;
  for (const auto& s : o.shorts) names += (names.empty() ? "" : ", ") + bold('-' + s);
  for (const auto& l : o.longs) names += (names.empty() ? "" : ", ") + bold("--" + l);
  if (names.empty())
    names = italic(o.value.empty() ? upper(o.positional) : o.value);
  else if (!o.value.empty())
    names += ' ' + italic(o.value);
  std::string choices;
  for (const auto& c : o.choices) choices += (choices.empty() ? "" : ", ") + c;
  if (!choices.empty()) choices = " (" + escape(choices) + ')';
  return fmt::format(".TP\n{}\n{}{}\n", names, escape(o.description), choices);
}

// A footer: paragraphs filled, indented lines as they are.
std::string footer(const std::string& text) {
  std::string out;
  bool literal = false;
  for (std::size_t begin = 0; begin < text.size();) {
    auto end = std::min(text.find('\n', begin), text.size());
    std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    bool indented = line.starts_with("  ");
    if (indented != literal) out += indented ? ".PP\n.RS 4\n.nf\n" : ".fi\n.RE\n";
    literal = indented;
    if (line.empty()) {
      if (begin < text.size() && !out.ends_with(".RE\n")) out += ".PP\n";
    } else {
      if (!indented && (out.ends_with(".RE\n") || out.empty())) out += ".PP\n";
      out += escape(indented ? line.substr(2) : line) + '\n';
    }
  }
  if (literal) out += ".fi\n.RE\n";
  return out;
}

std::string command(const CommandInfo& c) {
  std::string out = fmt::format(".SS {}\n{}.\n", escape(c.path), escape(c.description));
  if (c.commands.empty()) out += fmt::format(".PP\n{}\n", synopsis(c));
  for (const auto& o : c.options) {
    if (!is_help(o)) out += option(o);
  }
  return out + footer(c.footer);
}

// The program's own footer is a section: its "Examples:" is the heading.
std::string examples(std::string text) {
  constexpr std::string_view kHeading = "Examples:\n";
  if (text.starts_with(kHeading)) text.erase(0, kHeading.size());
  std::string out = footer(text);
  if (out.starts_with(".PP\n")) out.erase(0, 4);  // roff wants none after a heading
  return out.empty() ? "" : ".SH EXAMPLES\n" + out;
}

constexpr std::string_view kTail =
    ".SH EXIT STATUS\n"
    ".TP\n0\nSuccess.\n"
    ".TP\n1\nSomething failed while running.\n"
    ".TP\n2\nThe command line or the configuration is wrong.\n"
    ".SH ENVIRONMENT\n"
    ".TP\n\\fBSIGNALBOX_\\fISECTION\\fB__\\fIKEY\\fR\n"
    "Sets one key of the configuration: \\fBSIGNALBOX_LIMITS__MAX_QOS=1\\fR sets \\fBlimits.max_qos\\fR. "
    "It wins over the file, and \\fB\\-\\-set\\fR wins over it.\n"
    ".SH SIGNALS\n"
    ".TP\nSIGTERM, SIGINT\nA broker drains its connections and ends.\n"
    ".TP\nSIGHUP\nA broker loads its configuration again.\n";

}  // namespace

std::string man_page(const CommandInfo& root, const std::string& version) {
  std::string out = fmt::format(".TH {} 1 \"\" \"{} {}\" \"User Commands\"\n", upper(root.name), root.name, version);
  out += fmt::format(".SH NAME\n{} \\- an MQTT broker, and tools for it\n", root.name);
  out += fmt::format(".SH SYNOPSIS\n{} {} [{}]...\n", bold(root.name), italic("COMMAND"), italic("OPTION"));
  out += fmt::format(".SH DESCRIPTION\n{}\n", escape(root.description));
  for (const auto& o : root.options) out += option(o);
  out += ".SH COMMANDS\n";
  for (const auto* c : flatten(root)) {
    if (c != &root) out += command(*c);
  }
  return out + examples(root.footer) + std::string(kTail);
}

}  // namespace sb::app
