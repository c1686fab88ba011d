// A worker without an engine: what it does with an order is what the prompt says.
//   ok             two steps, three files, finished
//   fail, oom      says so
//   crash, killed  ends in the middle: by its own fault; from outside
//   killed once    from outside, unless the file FOLDER/was-killed is there
//   slow           goes on until it is cancelled
//   deaf           goes on, whatever is asked of it
//   chatty         is finished, and then says more than its pipes hold; then FOLDER/has-spoken is there
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/subprocess.h"
#include "pipeline/request_json.h"
#include "serve/worker_protocol.h"

namespace wan::serve {
namespace {

class FakeWorker {
 public:
  FakeWorker(int channel, const char* orders) : channel_(channel), orders_(::open(orders, O_RDONLY | O_CLOEXEC)) {
    send(suite::Hello{});
  }

  void run() {
    for (WorkerOrder order = next();; order = next())
      if (const auto* make = std::get_if<MakeOrder>(&order)) this->make(*make);
  }

 private:
  void send(const suite::Message& message) const {
    const std::string line = suite::encode(message) + "\n";
    if (::write(channel_, line.data(), line.size()) < 0) ::_exit(0);
  }
  WorkerOrder next() {
    for (;;) {
      const size_t end = text_.find('\n');
      if (end != std::string::npos) {
        const std::string line = text_.substr(0, end);
        text_.erase(0, end + 1);
        return decode_order(line);
      }
      char piece[4096];
      const ssize_t count = ::read(orders_.get(), piece, sizeof piece);
      if (count <= 0) ::_exit(0);
      text_.append(piece, static_cast<size_t>(count));
    }
  }
  measure::TreeReading now() const {
    measure::TreeReading own;
    own.at_ns = monotonic_ns();
    own.memory.high_water = 5 << 20;
    return own;
  }
  void step(int index) const {
    const StageId stage{StageRole::kStepInference, index, "", "Step_" + std::to_string(index) + "_Inference"};
    send(suite::Begin{stage, 2, now()});
    StageSpan span;
    span.stage = stage;
    span.begin_ns = 1;
    span.end_ns = 500'000'001;
    send(span);
  }
  void finish(const MakeOrder& order) const {
    for (const auto& file : {order.video, order.poster, order.last_frame}) std::ofstream(file) << "0123456789";
    send(suite::Finished{"ti2v", 32, 16, 5, 24, 2, "sha", now()});
  }
  void make(const MakeOrder& order) {
    const Request request = request_from_json(order.request);
    const std::string& what = request.prompt;
    const std::filesystem::path folder = order.video.parent_path().parent_path();
    send(suite::NextVideo{static_cast<int>(order.number), now()});
    step(0);
    if (!order.preview.empty()) {
      std::ofstream(order.preview) << "a picture";
      const std::string line = encode(PreviewMade{1}) + "\n";
      if (::write(channel_, line.data(), line.size()) < 0) ::_exit(0);
    }
    if (what == "fail") return send(suite::Failure{"runtime", "it broke", {}, {}, {}, {}});
    if (what == "oom") return send(suite::Failure{"out_of_memory", "no room", "weights", "ask for less", 10, 5});
    if (what == "crash") std::abort();
    if (what == "killed") ::raise(SIGKILL);
    if (what == "killed once" && !std::filesystem::exists(folder / "was-killed")) {
      std::ofstream(folder / "was-killed") << "x";
      ::raise(SIGKILL);
    }
    if (what == "slow" || what == "deaf") {
      std::ofstream(folder / "has-begun") << "x";
      const WorkerOrder cancel = next();
      if (what == "deaf")
        for (;;) std::this_thread::sleep_for(std::chrono::seconds(1));
      if (std::holds_alternative<CancelOrder>(cancel))
        return send(suite::Failure{"interrupted", "interrupted", {}, {}, {}, {}});
    }
    step(1);
    finish(order);
    if (what == "chatty") {
      chatter();
      std::ofstream(folder / "has-spoken") << "x";
    }
  }
  /// On each pipe more than the 64 KiB that it holds.
  void chatter() const {
    const std::string line = std::string(1023, 'x') + "\n";
    for (int i = 0; i < 100; ++i)
      for (const int pipe : {STDOUT_FILENO, STDERR_FILENO, channel_})
        if (::write(pipe, line.data(), line.size()) < 0) ::_exit(0);
  }

  int channel_;
  Descriptor orders_;
  std::string text_;
};

}  // namespace
}  // namespace wan::serve

int main(int argc, char** argv) {
  if (argc < 5 || std::getenv("WAN_FAKE_WORKER_IS_BROKEN") != nullptr) return 3;
  ::signal(SIGABRT, SIG_DFL);
  wan::serve::FakeWorker(std::atoi(argv[2]), argv[4]).run();
}
