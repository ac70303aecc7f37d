// SPDX-License-Identifier: MIT
#include "app/completion.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace sb::app {
namespace {

// In single quotes for sh, bash and zsh.
std::string sh_quote(std::string_view s) {
  std::string out = "'";
  for (char c : s) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + '\'';
}

std::string fish_quote(std::string_view s) {
  std::string out = "'";
  for (char c : s) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + '\'';
}

std::vector<std::string> spellings(const OptionInfo& o) {
  std::vector<std::string> out;
  for (const auto& s : o.shorts) out.push_back('-' + s);
  for (const auto& l : o.longs) out.push_back("--" + l);
  return out;
}

// The first line or sentence: enough beside a name in a menu.
std::string brief(const std::string& description) { return description.substr(0, description.find('\n')); }

std::vector<std::string> keys_with_equals(const std::vector<std::string>& keys) {
  std::vector<std::string> out;
  for (const auto& k : keys) out.push_back(k + '=');
  return out;
}

// The arms of `case "$at $word"` that walk from the program to the command that is being completed.
std::string walk_arms(const std::vector<const CommandInfo*>& commands) {
  std::string out;
  for (const auto* c : commands) {
    if (c->path != c->name) out += fmt::format("{}{}", out.empty() ? "" : "|", sh_quote(c->path));
  }
  return out;
}

// A pattern for "COMMAND OPTION", in every spelling of the option.
std::string option_pattern(const CommandInfo& c, const OptionInfo& o) {
  std::vector<std::string> out;
  for (const auto& s : spellings(o)) out.push_back(sh_quote(c.path + ' ' + s));
  return fmt::format("{}", fmt::join(out, "|"));
}

}  // namespace

std::string bash_completion(const CommandInfo& root, const std::vector<std::string>& keys) {
  auto commands = flatten(root);
  std::string values, words;
  for (const auto* c : commands) {
    std::vector<std::string> all;
    for (const auto& below : c->commands) all.push_back(below.name);
    bool file = false;
    for (const auto& o : c->options) {
      for (const auto& s : spellings(o)) all.push_back(s);
      bool positional = spellings(o).empty();
      if (positional) {
        file = file || o.takes_file();
        all.insert(all.end(), o.choices.begin(), o.choices.end());
      }
      if (positional || o.value.empty()) continue;
      std::string arm = fmt::format("    {})\n", option_pattern(*c, o));
      if (o.takes_key())
        arm += "      compopt -o nospace\n      COMPREPLY=($(compgen -W \"$keys\" -- \"$cur\"))\n";
      else if (o.takes_file())
        arm += "      COMPREPLY=($(compgen -f -- \"$cur\"))\n";
      else if (!o.choices.empty()) {
        std::string list = fmt::format("{}", fmt::join(o.choices, " "));
        arm += fmt::format("      COMPREPLY=($(compgen -W {} -- \"$cur\"))\n", sh_quote(list));
      }
      values += arm + "      return ;;\n";
    }
    words += fmt::format("    {}) words={}; files={} ;;\n", sh_quote(c->path),
                         sh_quote(fmt::format("{}", fmt::join(all, " "))), file ? 1 : 0);
  }
  return fmt::format(
      "# bash completion for {0}. Install: {0} completion bash > /etc/bash_completion.d/{0}\n"
      "_{0}() {{\n"
      "  local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}} at={0} words= files=0 i\n"
      "  local keys={1}\n"
      "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
      "    case \"$at ${{COMP_WORDS[i]}}\" in\n"
      "    {2}) at=\"$at ${{COMP_WORDS[i]}}\" ;;\n"
      "    esac\n"
      "  done\n"
      "  case \"$at $prev\" in\n{3}  esac\n"
      "  case \"$at\" in\n{4}  esac\n"
      "  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
      "  if ((files)); then COMPREPLY+=($(compgen -f -- \"$cur\")); fi\n"
      "}}\n"
      "complete -F _{0} {0}\n",
      root.name, sh_quote(fmt::format("{}", fmt::join(keys_with_equals(keys), " "))), walk_arms(commands), values,
      words);
}

std::string zsh_completion(const CommandInfo& root, const std::vector<std::string>& keys) {
  auto commands = flatten(root);
  // _describe takes "name:description", so colons in names are escaped.
  auto item = [](std::string name, const std::string& description) {
    for (std::size_t i = 0; (i = name.find(':', i)) != std::string::npos; i += 2) name.insert(i, "\\");
    return sh_quote(name + ':' + brief(description));
  };
  std::string values, words;
  for (const auto* c : commands) {
    std::string items;
    bool file = false;
    for (const auto& below : c->commands) items += ' ' + item(below.name, below.description);
    for (const auto& o : c->options) {
      for (const auto& s : spellings(o)) items += ' ' + item(s, o.description);
      bool positional = spellings(o).empty();
      if (positional) {
        file = file || o.takes_file();
        for (const auto& choice : o.choices) items += ' ' + item(choice, o.description);
      }
      if (positional || o.value.empty()) continue;
      std::string action = ":";
      if (o.takes_key())
        action = "compadd -S '' -a keys";
      else if (o.takes_file())
        action = "_files";
      else if (!o.choices.empty())
        action = fmt::format("compadd -- {}", fmt::join(o.choices, " "));
      values += fmt::format("    {}) {}; return ;;\n", option_pattern(*c, o), action);
    }
    words += fmt::format("    {}) items=({}){} ;;\n", sh_quote(c->path), items.empty() ? "" : items.substr(1),
                         file ? "; _files" : "");
  }
  return fmt::format(
      "#compdef {0}\n"
      "# zsh completion for {0}. Install: {0} completion zsh > \"${{fpath[1]}}/_{0}\"\n"
      "_{0}() {{\n"
      "  local at={0} word\n"
      "  local -a items keys\n"
      "  keys=({1})\n"
      "  for word in ${{words[2,CURRENT-1]}}; do\n"
      "    case \"$at $word\" in\n"
      "    {2}) at=\"$at $word\" ;;\n"
      "    esac\n"
      "  done\n"
      "  case \"$at ${{words[CURRENT-1]}}\" in\n{3}  esac\n"
      "  case \"$at\" in\n{4}  esac\n"
      "  _describe {0} items\n"
      "}}\n"
      "if [[ $funcstack[1] == _{0} ]]; then _{0} \"$@\"; else compdef _{0} {0}; fi\n",
      root.name, fmt::join(keys_with_equals(keys), " "), walk_arms(commands), values, words);
}

std::string fish_completion(const CommandInfo& root, const std::vector<std::string>& keys) {
  auto commands = flatten(root);
  std::vector<std::string> paths;
  for (const auto* c : commands) {
    if (c != commands.front()) paths.push_back(fish_quote(c->path));
  }
  std::string out = fmt::format(
      "# fish completion for {0}. Install: {0} completion fish > ~/.config/fish/completions/{0}.fish\n"
      "function __{0}_at\n"
      "  set -l at {0}\n"
      "  for word in (commandline -opc)[2..-1]\n"
      "    contains -- \"$at $word\" {1}; and set at \"$at $word\"\n"
      "  end\n"
      "  test \"$at\" = \"$argv[1]\"\n"
      "end\n"
      "complete -c {0} -f\n",
      root.name, fmt::join(paths, " "));
  for (const auto* c : commands) {
    std::string line =
        fmt::format("complete -c {} -n {}", root.name, fish_quote(fmt::format("__{}_at '{}'", root.name, c->path)));
    for (const auto& below : c->commands) {
      out += fmt::format("{} -a {} -d {}\n", line, below.name, fish_quote(brief(below.description)));
    }
    for (const auto& o : c->options) {
      std::string item = line;
      for (const auto& s : o.shorts) item += " -s " + s;
      for (const auto& l : o.longs) item += " -l " + l;
      bool positional = spellings(o).empty();
      if (!positional && !o.value.empty()) item += o.takes_file() ? " -r" : " -x";
      if (o.takes_key())
        item += fmt::format(" -a {}", fish_quote(fmt::format("{}", fmt::join(keys_with_equals(keys), " "))));
      else if (o.takes_file())
        item += " -F";
      else if (!o.choices.empty())
        item += fmt::format(" -a {}", fish_quote(fmt::format("{}", fmt::join(o.choices, " "))));
      else if (positional)
        continue;
      out += fmt::format("{} -d {}\n", item, fish_quote(brief(o.description)));
    }
  }
  return out;
}

}  // namespace sb::app
