// SPDX-License-Identifier: MIT
#include "http/control_thread.h"

#include <pthread.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/result.h"

namespace sb::http {

namespace asio = boost::asio;

namespace {

struct Repeated {
  asio::steady_timer timer;
  const Millis interval;
  const std::function<void()> call;
};

void wait(const std::shared_ptr<Repeated>& r) {
  r->timer.expires_after(r->interval);
  r->timer.async_wait([r](const error_code& e) {
    if (e) return;
    r->call();
    wait(r);
  });
}

}  // namespace

ControlThread::ControlThread() : io_(std::make_unique<asio::io_context>(1)) {
  thread_ = std::thread([this, work = asio::make_work_guard(*io_)] { io_->run(); });
  ::pthread_setname_np(thread_.native_handle(), "control");
}

ControlThread::~ControlThread() {
  asio::post(*io_, [this] {
    std::vector<std::weak_ptr<Work>> all;
    {
      std::lock_guard lock(mutex_);
      all.swap(work_);
    }
    for (auto& w : all)
      if (auto work = w.lock()) work->stop();
    io_->stop();
  });
  thread_.join();
}

void ControlThread::every(Millis interval, std::function<void()> f) {
  wait(std::make_shared<Repeated>(Repeated{asio::steady_timer(*io_), interval, std::move(f)}));
}

void ControlThread::add(const std::shared_ptr<Work>& work) {
  std::lock_guard lock(mutex_);
  std::erase_if(work_, [](auto& w) { return w.expired(); });
  work_.push_back(work);
}

}  // namespace sb::http
