// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "app/commands.h"
#include "app/password_prompt.h"
#include "auth/mosquitto_file.h"
#include "auth/scram_users.h"
#include "auth/user_file.h"
#include "auth/user_lines.h"
#include "auth/users.h"
#include "base/utf8.h"

namespace sb::app {
namespace {

constexpr const char* kFooter =
    "The file has no passwords, but up to two lines per user: a scrypt hash for logins with name and password, and\n"
    "the keys for SCRAM-SHA-256, where the password never crosses the wire. The broker reads the same file as\n"
    "auth.password_file and as auth.scram_file, and again on SIGHUP. A new password replaces all lines of its user.\n"
    "\n"
    "--import takes over the users of a password file of Mosquitto. Their hashes stay as they are, and are for plain\n"
    "logins only: SCRAM needs the password, set anew. Passwords that Mosquitto has not hashed yet are hashed.\n"
    "\n"
    "Examples:\n"
    "  signalbox passwd users.txt alice\n"
    "  pass show mqtt/alice | signalbox passwd users.txt alice --password-stdin\n"
    "  signalbox passwd users.txt alice --kind scram\n"
    "  signalbox passwd users.txt alice --verify\n"
    "  signalbox passwd users.txt alice --delete\n"
    "  signalbox passwd users.txt --import /etc/mosquitto/passwd";

struct Options {
  std::string file, user, password, import_from, kind = "both";
  bool password_given = false, from_stdin = false, remove = false, verify = false, replace = false;
  std::uint32_t iterations = auth::kScramIterations;
  ~Options() { auth::wipe(password); }
};

int complain(int code, const std::string& text) {
  fmt::print(stderr, "signalbox passwd: {}\n", text);
  return code;
}

/// Fills in options.password. An exit code when there is none.
std::optional<int> get_password(Options& options) {
  if (options.from_stdin) {
    options.password = line_of_stdin();
  } else if (!options.password_given) {
    auto typed = ask_password(fmt::format("Password for {}: ", options.user), options.verify ? "" : "The same again: ");
    if (!typed) return complain(kUsage, "no terminal to ask for the password at; use --password-stdin");
    options.password = typed->password;
    auth::wipe(typed->password);
    if (!typed->same) return complain(kFailure, "the two passwords differ; nothing was changed");
  }
  if (options.password.empty()) return complain(kUsage, "the password is empty");
  if (!is_mqtt_utf8(options.password)) return complain(kUsage, "the password is not UTF-8");
  return std::nullopt;
}

/// The lines of a user with this password, without the last end of line.
std::string lines_of(std::string_view name, std::string_view password, const Options& options) {
  std::vector<std::string> lines;
  if (options.kind != "scram") {
    lines.push_back(fmt::format("{}:{}", name, auth::format_password_hash(auth::make_password_hash(password))));
  }
  if (options.kind != "scrypt") {
    lines.push_back(auth::format_scram_line(name, auth::make_scram_keys(password, options.iterations)));
  }
  return fmt::format("{}", fmt::join(lines, "\n"));
}

int verify(const Options& options, const auth::PasswordUsers::User& user) {
  const bool plain = user.plain && auth::password_matches(*user.plain, options.password);
  const bool scram = user.scram && auth::password_matches(*user.scram, options.password);
  if (user.plain && user.scram && plain != scram) {
    return complain(
        kFailure, fmt::format("{}: the two lines of {} are of different passwords, and this one is right for {} only; "
                              "set the user's password again",
                              options.file, options.user, plain ? "plain logins" : "SCRAM"));
  }
  const bool right = plain || scram;
  fmt::print("{}\n", right ? "the password is right" : "the password is wrong");
  return right ? kOk : kFailure;
}

/// The command for the user that it names.
int one_user(Options& options, std::string_view text, const auth::PasswordUsers& users) {
  std::string why;
  const auto* known = users.find(options.user);
  if ((options.verify || options.remove) && known == nullptr) {
    return complain(kFailure, fmt::format("{}: there is no user {}", options.file, options.user));
  }
  if (options.remove) {
    if (auth::write_user_file(options.file, auth::without_user(text, options.user), why)) {
      return complain(kFailure, why);
    }
    fmt::print("deleted {}\n", options.user);
    return kOk;
  }
  if (auto code = get_password(options)) return *code;
  if (options.verify) return verify(options, *known);
  // All of them, so that an old password is not left in a line of another kind.
  const std::string lines = lines_of(options.user, options.password, options);
  if (auth::write_user_file(options.file, auth::with_user(text, options.user, lines), why)) {
    return complain(kFailure, why);
  }
  fmt::print("{} {}\n", known != nullptr ? "changed" : "added", options.user);
  return kOk;
}

/// Which of the users are known already. Nothing, after a complaint, when they may not be.
std::optional<std::set<std::string_view>> to_replace(const std::vector<auth::MosquittoUser>& users,
                                                     const auth::PasswordUsers& known, const Options& options) {
  std::set<std::string_view> names;
  for (const auto& user : users) {
    if (known.find(user.name) == nullptr) continue;
    names.insert(user.name);
    if (options.replace) continue;
    complain(kFailure, fmt::format("{}: line {}: user {} is in {} already; leave the line out, or use --replace",
                                   options.import_from, user.line, user.name, options.file));
    return std::nullopt;
  }
  return names;
}

/// The command with --import: all of the users or none. `theirs`: the text of the other file.
int import_users(const Options& options, std::string_view text, const auth::PasswordUsers& known,
                 std::string_view theirs) {
  std::string why;
  const auto users = auth::parse_mosquitto_file(theirs, why);
  if (!users) return complain(kFailure, fmt::format("{}: {}", options.import_from, why));
  if (users->empty()) return complain(kFailure, fmt::format("{}: there are no users in it", options.import_from));
  const auto replaced = to_replace(*users, known, options);
  if (!replaced) return kFailure;
  std::string all = auth::without_users(text, [&](std::string_view name) { return replaced->contains(name); });
  if (!all.empty() && !all.ends_with('\n')) all += '\n';
  std::size_t hashed = 0;
  for (const auto& user : *users) {
    if (user.hash) {
      all += fmt::format("{}:{}\n", user.name, auth::format_password_hash(*user.hash));
    } else {
      all += lines_of(user.name, user.password, options) + '\n';
      ++hashed;
    }
  }
  if (auth::write_user_file(options.file, all, why)) return complain(kFailure, why);
  fmt::print("imported {} {}: {} with a hash of Mosquitto, {} hashed now; {} replaced\n", users->size(),
             users->size() == 1 ? "user" : "users", users->size() - hashed, hashed, replaced->size());
  return kOk;
}

int run(Options& options) {
  const bool import = !options.import_from.empty();
  if (!import) {
    if (std::string wrong = auth::check_user_name(options.user); !wrong.empty()) return complain(kUsage, wrong);
  }
  std::string why;
  auto text = auth::read_user_file(options.file, why);
  if (!text) return complain(kFailure, why);
  // A file that the broker would not take is not made longer.
  auto users = auth::PasswordUsers::parse(*text, why);
  if (!users) return complain(kFailure, fmt::format("{}: {}", options.file, why));
  if (!import) return one_user(options, *text, **users);

  std::vector<std::string> warnings;  // of the other file, which is not the broker's
  auto theirs = auth::load_user_file(options.import_from, why, warnings);
  if (!theirs) return complain(kFailure, why);
  const int code = import_users(options, *text, **users, *theirs);
  auth::wipe(*theirs);
  return code;
}

}  // namespace

void add_passwd_command(CLI::App& app, Exit& exit) {
  auto* command = app.add_subcommand("passwd", "Add, change, check, delete or import users in a file of users");
  auto options = std::make_shared<Options>();
  command->add_option("file", options->file, "The file; it is created when it does not exist")
      ->type_name("FILE")
      ->required();
  auto* user = command->add_option("user", options->user, "The user's name; left out with --import")->type_name("USER");
  auto* password = command
                       ->add_option("--password", options->password,
                                    "The password. Other users of this machine may see it: better give it otherwise")
                       ->type_name("PASSWORD");
  auto* from_stdin = command->add_flag("--password-stdin", options->from_stdin,
                                       "Read the password from the first line of standard input");
  auto* remove = command->add_flag("--delete", options->remove, "Delete the user, in all kinds");
  auto* verify =
      command->add_flag("--verify", options->verify,
                        "Only check the password, in all kinds that the user has: exit 0 when it is right, 1 when not");
  auto* kind =
      command
          ->add_option("--kind", options->kind,
                       "What to write: scrypt for logins with name and password, scram for SCRAM-SHA-256, or both. "
                       "Plain logins work with scram alone, too")
          ->type_name("KIND")
          ->capture_default_str()
          ->check(CLI::IsMember({"scrypt", "scram", "both"}));
  auto* iterations =
      command
          ->add_option("--iterations", options->iterations,
                       "How often SCRAM hashes the password: makes guessing, and each login on the client, slower")
          ->type_name("N")
          ->capture_default_str()
          ->check(CLI::Range(auth::kScramMinIterations, auth::kScramMaxIterations));
  auto* import = command->add_option("--import", options->import_from, "Take over all users of a file of Mosquitto")
                     ->type_name("MOSQUITTO_FILE");
  auto* replace = command->add_flag("--replace", options->replace, "With --import: replace users that exist already");
  password->excludes(from_stdin);
  remove->excludes(password)->excludes(from_stdin)->excludes(verify)->excludes(kind)->excludes(iterations);
  verify->excludes(kind)->excludes(iterations);
  import->excludes(user)->excludes(password)->excludes(from_stdin)->excludes(remove)->excludes(verify);
  replace->needs(import);
  command->footer(kFooter);
  command->callback([options, user, password, import, &exit] {
    if (user->count() == 0 && import->count() == 0) {
      exit.code = complain(kUsage, "whose password? Give a USER after the FILE, or --import with a file of Mosquitto");
      return;
    }
    options->password_given = password->count() > 0;
    exit.code = run(*options);
  });
}

}  // namespace sb::app
