#include "serve/server.h"

#include <malloc.h>
#include <poll.h>

#include <algorithm>
#include <mutex>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "serve/api.h"
#include "suite/signal_watch.h"

namespace wan::serve {
namespace {

constexpr int kLookMs = 500;
constexpr int64_t kSweepNs = int64_t{60} * 1'000'000'000;

/// What a request needed goes back to the system: memory depends on what is asked at once, not on all that ever was.
/// glibc would have an arena for each thread, and keep the room of the largest body seen.
void bound_memory() {
  constexpr int kArenas = 2, kReturnedBytes = 128 << 10, kFreeBytes = 256 << 10;
  ::mallopt(M_ARENA_MAX, kArenas);
  ::mallopt(M_MMAP_THRESHOLD, kReturnedBytes);
  ::mallopt(M_TRIM_THRESHOLD, kFreeBytes);
}

bool is_own_machine(const std::string& address) { return address.starts_with("127.") || address == "::1"; }

std::string url_of(const ServerOptions& options, uint16_t port) {
  const bool is_v6 = options.address.find(':') != std::string::npos;
  return fmt::format("http://{}:{}/", is_v6 ? "[" + options.address + "]" : options.address, port);
}

/// The next signal, or 0 when nothing came for a moment.
int next_signal(suite::SignalWatch& signals) {
  pollfd waits{signals.descriptor(), POLLIN, 0};
  ::poll(&waits, 1, kLookMs);
  return signals.take();
}

void sweep(VideoService& service, int64_t& next_ns) {
  if (monotonic_ns() < next_ns) return;
  next_ns = monotonic_ns() + kSweepNs;
  try {
    service.sweep();
  } catch (const Error& problem) {
    log::error(fmt::format("what is past its time cannot be removed: {}", problem.what()));
  }
}

}  // namespace

void require_safe(const ServerOptions& options) {
  require(is_own_machine(options.address) || !options.api_keys.empty(),
          fmt::format("--address {}: others reach this address, so that the server needs --api-keys FILE there; or "
                      "leave --address out",
                      options.address),
          ErrorKind::kUsage);
}

namespace {

/// The service tells of changes before there is a server, and after its end.
class Streams {
 public:
  void use(HttpServer* server) {
    const std::lock_guard lock(mutex_);
    server_ = server;
  }
  void wake() {
    const std::lock_guard lock(mutex_);
    if (server_ != nullptr) server_->wake_streams();
  }

 private:
  std::mutex mutex_;
  HttpServer* server_ = nullptr;
};

}  // namespace

int run_server(const ServerOptions& options, const std::function<void(const std::string& url)>& listening) {
  require_server();
  require_safe(options);
  bound_memory();
  suite::SignalWatch signals;  // before any other thread
  const ApiKeys keys(options.api_keys);
  Streams streams;
  VideoService service(options.service, [&] { streams.wake(); });
  std::vector<std::string> names = options.own_names;
  names.push_back(options.address);
  Api api(service, keys, names);
  HttpServer server(options.address, options.port, api, options.http);
  api.use_counts([&] { return server.counts(); });
  streams.use(&server);
  listening(url_of(options, server.port()));
  int64_t next_sweep_ns = 0;
  int signal = 0;
  while ((signal = next_signal(signals)) == 0) sweep(service, next_sweep_ns);
  log::info(service.is_idle() ? "ending"
                              : "ending when the videos that are being made are done; a second signal ends at "
                                "once, and they are queued again");
  service.drain();
  const int64_t deadline_ns = monotonic_ns() + static_cast<int64_t>(options.drain_s * 1e9);
  while (!service.is_idle() && monotonic_ns() < deadline_ns && next_signal(signals) == 0) {
  }
  streams.use(nullptr);
  return signal;
}

}  // namespace wan::serve
