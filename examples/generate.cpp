// Two videos with one engine: the frames of the first stay in memory, those of the second go to PNG files. The second
// is warm: weights and negative prompt are there already. Usage: generate CHECKPOINT FOLDER [DEVICE]; Ctrl-C stops it.
#include <wanbench/engine.h>

#include <signal.h>

#include <cstdio>
#include <thread>

namespace {

wan::StopSource stop;

/// A thread takes the signal: a handler that interrupted one of oneDNN's matrix kernels would destroy its data.
void stop_on_interrupt() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::thread([signals] {
    int signal = 0;
    if (sigwait(&signals, &signal) == 0) stop.request_stop();
  }).detach();
}

class ShowSteps final : public wan::NullObserver {
 public:
  void on_begin(const wan::StageId& stage, int steps) override {
    if (stage.role == wan::StageRole::kStepInference) std::fprintf(stderr, "step %d of %d\n", stage.index + 1, steps);
  }
};

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 3) return 2;
  stop_on_interrupt();
  wan::Engine engine(wan::EngineOptions{.cached_prompts = 16});
  wan::Request request;
  request.checkpoint = argv[1];
  request.device = argc > 3 ? argv[3] : "";
  request.prompt = "a video of a red star that moves up on a dark background";
  request.width = request.height = 64;
  request.num_frames = 9;
  request.steps = 4;
  ShowSteps steps;
  wan::FrameMemory memory;
  wan::PngFolder pictures(argv[2]);
  wan::CallOptions call{.observer = &steps, .stop = &stop, .consumers = {&memory}};
  std::printf("first %s\n", engine.generate(request, call).video_sha256.c_str());
  request.seed = 43;
  call.consumers = {&pictures};
  std::printf("second %s, of the first %zu bytes\n", engine.generate(request, call).video_sha256.c_str(),
              memory.rgb().size());
} catch (const wan::Error& problem) {
  std::fprintf(stderr, "%s\n", problem.what());
  return static_cast<int>(wan::exit_code(problem.kind()));
}
