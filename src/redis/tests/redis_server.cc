// SPDX-License-Identifier: MIT
#include "redis/tests/redis_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <random>
#include <stdexcept>
#include <thread>

namespace sb::redis::testing {
namespace {

bool is_free(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  a.sin_port = htons(port);
  int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const bool free = ::bind(fd, reinterpret_cast<sockaddr*>(&a), sizeof a) == 0;
  ::close(fd);
  return free;
}

std::string text_of(const redisReply* r) {
  std::string out;
  switch (r->type) {
    case REDIS_REPLY_INTEGER:
      return std::to_string(r->integer);
    case REDIS_REPLY_ARRAY:
      for (std::size_t i = 0; i < r->elements; ++i) out += (i ? "\n" : "") + text_of(r->element[i]);
      return out;
    case REDIS_REPLY_ERROR:
      return "-" + std::string(r->str, r->len);
    case REDIS_REPLY_NIL:
      return "";
    default:
      return {r->str, r->len};
  }
}

}  // namespace

std::uint16_t free_port() {
  std::random_device random;
  for (;;) {
    const auto port = static_cast<std::uint16_t>(11000 + random() % 10000);
    if (is_free(port) && is_free(static_cast<std::uint16_t>(port + 10000))) return port;
  }
}

bool RedisServer::available() {
  static const bool found = std::system("redis-server --version >/dev/null 2>&1") == 0;
  return found;
}

RedisServer::RedisServer(std::vector<std::string> options, bool sentinel) : port_(free_port()) {
  char path[] = "/tmp/signalbox-redis-XXXXXX";
  dir_ = mkdtemp(path);
  const std::string file = dir_ + "/redis.conf";
  std::ofstream(file).close();  // a Sentinel and a cluster's node write into theirs
  command_ = {"redis-server", file,     "--port", std::to_string(port_), "--bind",    "127.0.0.1 -::1", "--dir",
              dir_,           "--save", "",       "--unixsocket",        unix_path(), "--logfile",      dir_ + "/log"};
  for (std::size_t i = 0; i + 1 < options.size(); ++i)
    if (options[i] == "--requirepass") password_ = options[i + 1];
  if (sentinel) command_.insert(command_.begin() + 2, "--sentinel");
  command_.insert(command_.end(), options.begin(), options.end());
  start();
}

RedisServer::~RedisServer() {
  kill();
  std::filesystem::remove_all(dir_);
}

void RedisServer::start() {
  std::vector<char*> words;
  for (std::string& w : command_) words.push_back(w.data());
  words.push_back(nullptr);
  const int parent = getpid();
  pid_ = ::fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);  // a test that crashes leaves nothing behind
    if (getppid() != parent) _exit(1);
    const int null = ::open("/dev/null", O_RDWR);
    dup2(null, 1);
    execvp(words[0], words.data());
    _exit(1);
  }
  for (int i = 0; i < 1000; ++i) {
    if (!ask({"PING"}).empty()) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  std::ifstream log(dir_ + "/log");
  throw std::runtime_error("redis-server does not answer: " +
                           std::string(std::istreambuf_iterator<char>(log), std::istreambuf_iterator<char>()));
}

void RedisServer::kill() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void RedisServer::pause() { ::kill(pid_, SIGSTOP); }
void RedisServer::resume() { ::kill(pid_, SIGCONT); }

std::string RedisServer::ask(std::vector<std::string> words) {
  std::unique_ptr<redisContext, decltype(&redisFree)> c(redisConnectUnixWithTimeout(unix_path().c_str(), timeval{5, 0}),
                                                        redisFree);
  if (!c || c->err) return {};
  redisSetTimeout(c.get(), timeval{5, 0});
  if (!password_.empty()) freeReplyObject(redisCommand(c.get(), "AUTH %s", password_.c_str()));
  std::vector<const char*> texts;
  std::vector<std::size_t> sizes;
  for (const std::string& w : words) {
    texts.push_back(w.data());
    sizes.push_back(w.size());
  }
  auto* r =
      static_cast<redisReply*>(redisCommandArgv(c.get(), static_cast<int>(words.size()), texts.data(), sizes.data()));
  if (!r) return {};
  std::string out = text_of(r);
  freeReplyObject(r);
  return out;
}

}  // namespace sb::redis::testing
