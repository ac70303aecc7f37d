// SPDX-License-Identifier: MIT
#pragma once

namespace CLI {
class App;
}

/// One file per command. Each has a function that adds the command to `app`, with its options and with its
/// examples as footer ("Examples:" and indented lines, which the man page repeats). The command's callback
/// does the whole work and leaves the exit code in `exit`; `exit` lives until the program ends.
namespace sb::app {

inline constexpr int kOk = 0;
inline constexpr int kFailure = 1;  ///< something failed while running
inline constexpr int kUsage = 2;    ///< the command line or the configuration is wrong

struct Exit {
  int code = kOk;
};

void add_broker_command(CLI::App& app, Exit& exit);
void add_pub_command(CLI::App& app, Exit& exit);
void add_sub_command(CLI::App& app, Exit& exit);
void add_bench_command(CLI::App& app, Exit& exit);
void add_verify_command(CLI::App& app, Exit& exit);
void add_ctl_command(CLI::App& app, Exit& exit);
void add_store_command(CLI::App& app, Exit& exit);
void add_passwd_command(CLI::App& app, Exit& exit);
void add_config_command(CLI::App& app, Exit& exit);
/// These two describe the commands that `app` has when they run.
void add_completion_command(CLI::App& app, Exit& exit);
void add_man_command(CLI::App& app, Exit& exit);

}  // namespace sb::app
