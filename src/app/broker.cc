// SPDX-License-Identifier: MIT
#include "app/broker.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <iostream>

#include "app/commands.h"
#include "app/logging.h"
#include "app/node.h"
#include "base/log.h"

namespace sb::app {

int run_broker(const config::Config& config, Reloader reload) {
  if (std::string why = set_up_logging(config.log); !why.empty()) {
    std::cerr << "signalbox: log.file: " << why << '\n';
    return kFailure;
  }
  // The main thread waits for signals; the others never see them.
  sigset_t signals;
  sigemptyset(&signals);
  for (int s : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, s);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);

  BrokerNode node(config);
  auto ends = [] {
    sigset_t pending;
    return sigpending(&pending) == 0 && (sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1);
  };
  if (std::string why = node.start(ends); !why.empty()) {
    if (ends()) return kOk;
    std::cerr << "signalbox: " << why << '\n';
    return kFailure;
  }
  for (auto& line : node.listening()) std::cout << line << '\n';
  std::cout << "ready" << std::endl;
  log::info("ready node={} version={}", config.node.name, SIGNALBOX_VERSION);

  for (;;) {
    int signal = 0;
    sigwait(&signals, &signal);
    if (signal != SIGHUP) break;
    config::Loaded next = reload();
    if (next.ok())
      node.reload(next.config);
    else
      log::error("configuration not reloaded: {}", next.error_text());
  }
  log::info("draining");
  node.drain();
  log::info("stopped");
  return kOk;
}

}  // namespace sb::app
