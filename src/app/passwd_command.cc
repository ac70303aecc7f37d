// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <fmt/format.h>
#include <termios.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include "app/commands.h"
#include "auth/scram_keys.h"
#include "auth/scram_users.h"
#include "auth/user_file.h"
#include "base/utf8.h"

namespace sb::app {
namespace {

constexpr const char* kFooter =
    "The file has one user per line, with salted and iterated keys and no password (SCRAM-SHA-256). The broker\n"
    "reads it as auth.scram_file, and again on SIGHUP.\n"
    "\n"
    "Examples:\n"
    "  signalbox passwd users.scram alice\n"
    "  pass show mqtt/alice | signalbox passwd users.scram alice --password-stdin\n"
    "  signalbox passwd users.scram alice --verify\n"
    "  signalbox passwd users.scram alice --delete";

struct Options {
  std::string file, user, password;
  bool password_given = false, from_stdin = false, remove = false, verify = false;
  std::uint32_t iterations = auth::kScramIterations;
  ~Options() { auth::wipe(password); }
};

int complain(int code, const std::string& text) {
  fmt::print(stderr, "signalbox passwd: {}\n", text);
  return code;
}

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

/// The first line of standard input.
std::string line_of_stdin() {
  std::string line;
  for (int c; (c = std::fgetc(stdin)) != EOF && c != '\n';) line += static_cast<char>(c);
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

/// Fills in options.password. An exit code when there is none.
std::optional<int> get_password(Options& options) {
  if (options.from_stdin) {
    options.password = line_of_stdin();
  } else if (!options.password_given) {
    Terminal terminal;
    auto first = terminal.ask(fmt::format("Password for {}: ", options.user));
    if (!first) return complain(kUsage, "no terminal to ask for the password at; use --password-stdin");
    if (!options.verify) {
      auto again = terminal.ask("The same again: ");
      if (!again || *again != *first) return complain(kFailure, "the two passwords differ; nothing was changed");
      auth::wipe(*again);
    }
    options.password = *first;
    auth::wipe(*first);
  }
  if (options.password.empty()) return complain(kUsage, "the password is empty");
  if (!is_mqtt_utf8(options.password)) return complain(kUsage, "the password is not UTF-8");
  return std::nullopt;
}

int run(Options& options) {
  if (std::string wrong = auth::check_user_name(options.user); !wrong.empty()) return complain(kUsage, wrong);
  std::string why;
  auto text = auth::read_user_file(options.file, why);
  if (!text) return complain(kFailure, why);
  // A file that the broker would not take is not made longer.
  auto users = auth::ScramUsers::parse(*text, why);
  if (!users) return complain(kFailure, fmt::format("{}: {}", options.file, why));
  const auth::ScramKeys* known = (*users)->find(options.user);
  if ((options.verify || options.remove) && known == nullptr) {
    return complain(kFailure, fmt::format("{}: there is no user {}", options.file, options.user));
  }
  if (options.remove) {
    if (auth::write_user_file(options.file, auth::without_user(*text, options.user), why))
      return complain(kFailure, why);
    fmt::print("deleted {}\n", options.user);
    return kOk;
  }
  if (auto code = get_password(options)) return *code;
  if (options.verify) {
    const bool right = auth::password_matches(*known, options.password);
    fmt::print("{}\n", right ? "the password is right" : "the password is wrong");
    return right ? kOk : kFailure;
  }
  const std::string line =
      auth::format_scram_line(options.user, auth::make_scram_keys(options.password, options.iterations));
  if (auth::write_user_file(options.file, auth::with_user_line(*text, options.user, line), why)) {
    return complain(kFailure, why);
  }
  fmt::print("{} {}\n", known != nullptr ? "changed" : "added", options.user);
  return kOk;
}

}  // namespace

void add_passwd_command(CLI::App& app, Exit& exit) {
  auto* command = app.add_subcommand("passwd", "Add, change, check or delete a user in a file of users");
  auto options = std::make_shared<Options>();
  command->add_option("file", options->file, "The file; it is created when it does not exist")
      ->type_name("FILE")
      ->required();
  command->add_option("user", options->user, "The user's name")->type_name("USER")->required();
  auto* password = command
                       ->add_option("--password", options->password,
                                    "The password. Other users of this machine may see it: better give it otherwise")
                       ->type_name("PASSWORD");
  auto* from_stdin = command->add_flag("--password-stdin", options->from_stdin,
                                       "Read the password from the first line of standard input");
  auto* remove = command->add_flag("--delete", options->remove, "Delete the user");
  auto* verify =
      command->add_flag("--verify", options->verify, "Only check the password: exit 0 when it is right, 1 when not");
  auto* iterations =
      command
          ->add_option("--iterations", options->iterations,
                       "How often the password is hashed: makes guessing, and each login on the client, slower")
          ->type_name("N")
          ->capture_default_str()
          ->check(CLI::Range(auth::kScramMinIterations, auth::kScramMaxIterations));
  password->excludes(from_stdin);
  remove->excludes(password)->excludes(from_stdin)->excludes(verify)->excludes(iterations);
  verify->excludes(iterations);
  command->footer(kFooter);
  command->callback([options, password, &exit] {
    options->password_given = password->count() > 0;
    exit.code = run(*options);
  });
}

}  // namespace sb::app
