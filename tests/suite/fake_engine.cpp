// Stands in for the engine process: writes what the real one would, then ends as its first argument says.
// fake_engine MODE MILLISECONDS --pipe-fd N --videos N --request JSON [--trace-kernels [--trace-all]] [--fidelity JSON]
// --start-ns N
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <iostream>
#include <string>
#include <thread>

#include "base/clock.h"
#include "fixtures.h"
#include "measure/proc.h"
#include "pipeline/request_json.h"
#include "suite/fidelity_task.h"
#include "suite/protocol.h"

namespace {

using namespace wan;
using namespace wan::suite;
using test::kHanging;

int pipe_descriptor = -1;

void say(const Message& message) {
  const std::string line = encode(message) + "\n";
  if (::write(pipe_descriptor, line.data(), line.size()) != static_cast<ssize_t>(line.size())) _exit(9);
}

/// The work of a stage: it takes time and does nothing.
void rest(int milliseconds) { std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds)); }

int64_t stage(const std::string& name, int steps, int64_t begin_ns, int milliseconds) {
  say(Begin{stage_from_name(name), steps, measure::read_own_and_reset_peak()});
  rest(milliseconds);
  const int64_t end_ns = monotonic_ns();
  say(StageSpan{stage_from_name(name), "", false, begin_ns, end_ns, 0, 1e9});
  return end_ns;
}

void end_badly(const std::string& mode) {
  if (mode == "crash") _exit(7);
  if (mode == "abort") ::abort();
  if (mode == "kill") ::raise(SIGKILL);
  if (mode == "hang") {
    ::signal(SIGTERM, SIG_IGN);
    say(Fact{kHanging, "now"});
    while (true) ::pause();
  }
  if (mode == "oom") {
    say(Failure{"out_of_memory", "out of memory in VAE activations", "VAE activations", "fewer frames", 1000, 10});
    _exit(1);
  }
  if (mode == "bad_alloc") {
    std::cerr << "terminate called after throwing an instance of 'std::bad_alloc'" << std::endl;
    _exit(1);
  }
  if (mode == "invalid") {
    say(Failure{"usage", "--size 95x64: not a multiple", "", "", {}, {}});
    _exit(2);
  }
  if (mode == "garbage") {
    const std::string line = "this is not a message\n";
    if (::write(pipe_descriptor, line.data(), line.size()) < 0) _exit(9);
    _exit(0);
  }
}

int64_t video(const std::string& mode, int milliseconds, const Request& request, int64_t begin_ns) {
  begin_ns = stage("Model_Initialization", request.steps, begin_ns, milliseconds);
  begin_ns = stage("T5_Encoding", request.steps, begin_ns, milliseconds);
  for (int i = 0; i < request.steps; ++i) {
    const std::string name = "Step_" + std::to_string(i) + "_Inference";
    const int64_t step_ns = begin_ns;
    begin_ns = stage(name, request.steps, begin_ns, milliseconds);
    for (int64_t copy = 0; mode == "streamed" && copy < 3; ++copy)
      say(StageSpan{stage_from_name(name), "h2d", true, step_ns + copy * 1000, step_ns + copy * 1000 + 500, 100});
  }
  say(Begin{stage_from_name("VAE_Decoding"), request.steps, measure::read_own_and_reset_peak()});
  std::ofstream(request.output.string() + ".part") << "half a video";
  end_badly(mode);
  rest(milliseconds);
  const int64_t end_ns = monotonic_ns();
  say(StageSpan{stage_from_name("VAE_Decoding"), "", false, begin_ns, end_ns, 0, 1e9});
  if (!request.output.empty()) {
    ::unlink((request.output.string() + ".part").c_str());
    std::ofstream(request.output) << "a video";
  }
  return end_ns;
}

/// What "auto" comes to by the memory that is free: more of it each time it is asked, so that only the first run's
/// choice can be the same for all.
Decided decided(const Request& request) {
  const bool open = request.offload == Offload::kAuto;
  Decided out;
  out.execution.device = "a fake";
  out.execution.residency = open ? "stream" : request.offload == Offload::kNone ? "resident" : "mapped";
  if (request.offload == Offload::kStream) out.execution.residency = "stream";
  out.execution.vae_chunk = request.vae_chunk > 0 ? request.vae_chunk : 1 + ::getpid() % 1000;
  out.execution.vae_slice = request.vae_slice;
  out.predicted_peak_bytes = 7;
  return out;
}

/// One kernel, 500 ns after the video's begin.
Kernels kernels_of(int64_t begin_ns, const char* stages) {
  KernelEvents events;
  events.stages = stages;
  events.names = {{"gemm", KernelKind::kGemm}};
  events.device = {{begin_ns + 500, begin_ns + 900, 0, {}, 7, 1, 0}};
  return {{"cupti_activity", "", 0, {{"Step_*", 2, 100, 10, {}, {}, 0, 0}}}, events};
}

/// Of a process that makes a test's video, its reference's and the replay of both.
Fidelity fidelity_of(const FidelityTask& task, const std::string& mode) {
  FidelityComparison comparison;
  comparison.reference = task.pair.reference.name;
  comparison.test = task.pair.test.name;
  comparison.reference_key = task.reference_key;
  comparison.frames = 5;
  comparison.scores = {{"psnr", measured(40.0, "frames"), measured(38.0, "frames"), 4}};
  comparison.replayed = {{0, measured(mode == "far_off" ? 0.5 : 1e-6, "replay"), measured(1.0, "replay")}};
  return {{comparison, task.bound, {}, "a_cpu_computes_in_fp32", std::nullopt}};
}

}  // namespace

int main(int argc, char** argv) {
  const bool traced = argc >= 12 && std::string(argv[9]) == "--trace-kernels";
  const bool traced_all = argc == 13 && std::string(argv[10]) == "--trace-all";
  const bool judged = argc == 13 && std::string(argv[9]) == "--fidelity";
  if (argc != 11 + traced + traced_all + 2 * judged) return 2;
  const std::string mode = argv[1];
  const int milliseconds = std::stoi(argv[2]);
  pipe_descriptor = std::stoi(argv[4]);
  int64_t begin_ns = std::stoll(argv[argc - 1]);
  const Request request = request_from_json(argv[8]);
  say(Hello{});
  const int videos = judged ? 3 : std::stoi(argv[6]);
  for (int i = 0; i < videos; ++i) {
    if (judged && mode == "no_reference" && i == 1) end_badly("oom");
    if (mode == "stops_early" && i == 2) return 0;
    if (i > 0) {
      const NextVideo next{i, measure::read_own_and_reset_peak()};
      begin_ns = next.own.at_ns;
      say(next);
    }
    if (mode == "dies_warm" && i == 2) _exit(7);
    if (mode != "undecided") say(decided(request));
    say(Fact{"libraries", "a fake"});
    video(mode, milliseconds, request, begin_ns);
    if (traced) say(kernels_of(begin_ns, traced_all ? kAllStages : "Step_1"));
    say(Finished{"ti2v", request.width, request.height, request.num_frames, 24, request.steps, "abc",
                 measure::read_own_and_reset_peak()});
  }
  if (judged) say(fidelity_of(fidelity_task_from_json(argv[10]), mode));
  return 0;
}
