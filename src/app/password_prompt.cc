// SPDX-License-Identifier: MIT
#include "app/password_prompt.h"

#include <termios.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "auth/scram_keys.h"

namespace sb::app {
namespace {

/// The terminal, without echo as long as this lives; Ctrl-C gives the echo back before it ends the program. At most
/// one.
class Terminal {
 public:
  Terminal() : file_(std::fopen("/dev/tty", "r+e")) {
    if (file_ == nullptr || tcgetattr(fileno(file_), &before_) != 0) return;
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    terminal_ = fileno(file_);
    std::signal(SIGINT, restore_and_end);
    usable_ = tcsetattr(terminal_, TCSAFLUSH, &quiet) == 0;
  }
  ~Terminal() {
    if (usable_) tcsetattr(terminal_, TCSAFLUSH, &before_);
    std::signal(SIGINT, SIG_DFL);
    if (file_ != nullptr) std::fclose(file_);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  std::optional<std::string> ask(const std::string& question) {
    if (!usable_) return std::nullopt;
    std::fputs(question.c_str(), file_);
    std::fflush(file_);
    std::string line;
    int c;
    while ((c = std::fgetc(file_)) != EOF && c != '\n') line += static_cast<char>(c);
    std::fputs("\n", file_);
    if (c == EOF) return std::nullopt;
    return line;
  }

 private:
  static void restore_and_end(int number) {
    tcsetattr(terminal_, TCSANOW, &before_);
    std::signal(number, SIG_DFL);
    std::raise(number);
  }

  static inline int terminal_ = -1;
  static inline termios before_{};
  FILE* file_;
  bool usable_ = false;
};

}  // namespace

std::optional<Typed> ask_password(const std::string& question, const std::string& again) {
  Terminal terminal;
  auto first = terminal.ask(question);
  if (!first) return std::nullopt;
  Typed typed{*first, true};
  auth::wipe(*first);
  if (again.empty()) return typed;
  auto second = terminal.ask(again);
  typed.same = second && *second == typed.password;
  if (second) auth::wipe(*second);
  return typed;
}

std::string line_of_stdin() {
  std::string line;
  for (int c; (c = std::fgetc(stdin)) != EOF && c != '\n';) line += static_cast<char>(c);
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

}  // namespace sb::app
