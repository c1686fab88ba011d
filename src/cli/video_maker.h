// Makes the videos of a command by one engine, and watches each.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "cli/video_result.h"
#include "measure/gpu.h"
#include "pipeline/engine.h"

namespace wan::cli {

/// Whether each kernel is watched, which slows the video.
enum class Kernels { kUnwatched, kWatched };

class VideoMaker {
 public:
  /// From now on signals stop the videos. Before any other thread exists.
  explicit VideoMaker(Progress progress, Kernels kernels = Kernels::kUnwatched, const EngineOptions& options = {});

  /// What a video will take here; of two of one size and model it is computed once. Throws Error(kUsage) naming the
  /// largest video that fits where this machine could never hold it, and as Engine::expect does.
  Expectation expect(const Request& request);
  /// What signals have asked for.
  const StopSource& stop() const { return stop_; }
  /// The video is on the disk when it returns. What `result.request` asks for; what it cost is in the result also where
  /// an Error is thrown.
  void make(VideoResult& result);
  /// The same, with an Error kept in the result in place of being thrown.
  void try_to_make(VideoResult& result);
  /// Takes the previews of all videos from now on; must outlive this. nullptr: nobody does.
  void show(PreviewConsumer* previews) { previews_ = previews; }
  /// Where the time of the last video's stages went, kernel by kernel; empty where they were not watched.
  const std::string& kernels() const { return kernel_text_; }

 private:
  const StopSource& stop_;
  measure::GpuSet gpus_;
  Progress progress_;
  Kernels kernels_;
  std::string kernel_text_;
  PreviewConsumer* previews_ = nullptr;
  Engine engine_;
  std::map<std::string, Expectation> expected_;  // by the text of what decides it
};

/// What ended a request, as it is kept. Signals have their own exit codes.
VideoFailure failure_of(const Error& problem);

}  // namespace wan::cli
