#include "serve/worker_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <new>
#include <optional>
#include <set>
#include <thread>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/output_file.h"
#include "base/subprocess.h"
#include "measure/proc.h"
#include "pipeline/engine.h"
#include "pipeline/request_json.h"
#include "pipeline/stop.h"
#include "serve/picture_file.h"
#include "serve/still_frames.h"
#include "serve/worker_protocol.h"
#include "suite/engine_process.h"
#include "suite/pipe_observer.h"

namespace wan::serve {
namespace {

/// Orders as they come, from a thread of its own: a cancellation reaches the request that is being made.
class Orders {
 public:
  explicit Orders(const std::filesystem::path& fifo) : fifo_(::open(fifo.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)) {
    if (!fifo_.open())
      throw Error(ErrorKind::kInput, fmt::format("{}: cannot read orders: {}", fifo.string(), std::strerror(errno)));
    reader_ = std::thread([this] { read(); });
  }
  ~Orders() { reader_.join(); }  // at the FIFO's end, which the server's brings
  Orders(const Orders&) = delete;
  Orders& operator=(const Orders&) = delete;

  /// The next, whose cancellation `stop` then follows; nothing when no more come.
  std::optional<MakeOrder> next() {
    std::unique_lock lock(mutex_);
    current_ = 0;
    changed_.wait(lock, [&] { return is_over_ || !waiting_.empty(); });
    if (waiting_.empty()) return std::nullopt;
    MakeOrder order = std::move(waiting_.front());
    waiting_.pop_front();
    current_ = order.number;
    stop_.clear();
    if (cancelled_.erase(current_) > 0) stop_.request_stop();
    return order;
  }
  const StopSource& stop() const { return stop_; }

 private:
  void read() {
    std::string text;
    std::array<char, 16384> piece;
    for (;;) {
      const ssize_t count = ::read(fifo_.get(), piece.data(), piece.size());
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) break;
      text.append(piece.data(), static_cast<size_t>(count));
      for (const std::string& line : take_lines(text)) take(line);
    }
    const std::lock_guard lock(mutex_);
    is_over_ = true;
    changed_.notify_all();
  }
  void take(const std::string& line) {
    try {
      const WorkerOrder order = decode_order(line);
      const std::lock_guard lock(mutex_);
      if (const auto* make = std::get_if<MakeOrder>(&order)) waiting_.push_back(*make);
      if (const auto* cancel = std::get_if<CancelOrder>(&order)) {
        if (cancel->number == current_)
          stop_.request_stop();
        else if (cancel->number > current_)
          cancelled_.insert(cancel->number);
      }
      changed_.notify_all();
    } catch (const Error& problem) {
      log::error(problem.what());
    }
  }

  Descriptor fifo_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<MakeOrder> waiting_;
  std::set<int64_t> cancelled_;
  int64_t current_ = 0;
  bool is_over_ = false;
  StopSource stop_;
  std::thread reader_;  // last: it uses the others
};

/// The preview of each step as a file that is replaced whole, a few times a second at most. What goes wrong with it
/// ends no video.
class PreviewFile final : public PreviewConsumer {
 public:
  PreviewFile(std::filesystem::path file, suite::PipeObserver& pipe) : file_(std::move(file)), pipe_(pipe) {}
  void preview(const Preview& preview) override {
    constexpr int64_t kLeastNs = 200'000'000;
    const bool is_last = preview.step + 1 == preview.steps;
    if (is_broken_ || (!is_last && written_ns_ > 0 && monotonic_ns() - written_ns_ < kLeastNs)) return;
    try {
      write_picture(file_, preview.width, preview.height, preview.rgb);
      written_ns_ = monotonic_ns();
      pipe_.send_line(encode(PreviewMade{preview.step + 1}));
    } catch (const Error& problem) {
      is_broken_ = true;
      log::warning(fmt::format("no previews: {}", problem.what()));
    }
  }

 private:
  std::filesystem::path file_;
  suite::PipeObserver& pipe_;
  int64_t written_ns_ = 0;
  bool is_broken_ = false;
};

class Worker {
 public:
  explicit Worker(const WorkerProcess& process)
      : observer_(process.pipe_descriptor, process.environment),
        engine_(std::make_unique<Engine>(EngineOptions{.cached_prompts = process.cached_prompts})) {}

  /// Throws Error(kRuntime) when the server has gone.
  void make(const MakeOrder& order, const StopSource& stop) {
    try {
      observer_.send(made(order, stop));
    } catch (const OutOfMemory& problem) {
      observer_.send(suite::Failure{"out_of_memory", problem.what(), problem.what_for(), problem.advice(),
                                    problem.requested_bytes(), problem.free_bytes()});
    } catch (const Error& problem) {
      observer_.send(suite::Failure{suite::word_of(problem.kind()), problem.what(), {}, {}, {}, {}});
    } catch (const std::bad_alloc&) {
      observer_.send(
          suite::Failure{"out_of_memory", "host memory ran out (std::bad_alloc)", "host memory", {}, {}, {}});
    }
  }

  /// The models are left for the kernel to free with the process.
  void leave_models() { engine_.release(); }

 private:
  suite::Finished made(const MakeOrder& order, const StopSource& stop) {
    Request request = request_from_json(order.request);
    request.output = order.video;
    tell_expected(request);
    observer_.send(suite::NextVideo{static_cast<int>(order.number), measure::read_own_and_reset_peak()});
    StillFrames stills(order.poster, order.last_frame);
    PreviewFile preview(order.preview, observer_);
    CallOptions call{.observer = &observer_, .stop = &stop, .consumers = {&stills}};
    if (!order.preview.empty()) call.preview = &preview;
    call.on_stuck = suite::leave_when_stuck(observer_);
    const Outcome outcome = engine_->generate(request, call);
    const measure::TreeReading own = measure::read_own_and_reset_peak();  // the disk is waited for after that
    for (const auto* file : {&order.video, &order.poster, &order.last_frame}) sync_to_disk(*file);
    return {outcome.task, outcome.width, outcome.height,       outcome.num_frames,
            outcome.fps,  outcome.steps, outcome.video_sha256, own};
  }

  /// By the cost model, once for each kind of video: a trial of the device takes milliseconds. What is refused here is
  /// refused again, and then told.
  void tell_expected(const Request& request) {
    Request kind = request;
    kind.prompt.clear();
    kind.negative_prompt.clear();
    kind.seed = 0;
    kind.output.clear();
    kind.image = request.image.empty() ? "" : "image";
    kind.last_image = request.last_image.empty() ? "" : "image";
    if (!known_.insert(request_json(kind)).second) return;
    if (known_.size() > kMostKnown) known_.clear();
    const Expectation expectation = engine_->expect(request);
    observer_.send_line(
        encode(ExpectedVideo{expectation.time.total_s(), expectation.peak_bytes, expectation.time_basis()}));
  }

  static constexpr size_t kMostKnown = 1000;
  suite::PipeObserver observer_;
  std::unique_ptr<Engine> engine_;
  std::set<std::string> known_;
};

}  // namespace

ExitCode run_worker_process(const WorkerProcess& process) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::signal(SIGPIPE, SIG_IGN);
  Orders orders(process.orders);
  Worker worker(process);
  while (const std::optional<MakeOrder> order = orders.next()) worker.make(*order, orders.stop());
  worker.leave_models();
  return ExitCode::kSuccess;
}

}  // namespace wan::serve
