// How the engine tells others what it does and when. Whoever watches decides what to keep; the engine knows no
// benchmark.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "model/stage.h"

namespace wan {

/// One closed interval of CLOCK_MONOTONIC. A leaf is critical-path time; a hidden span overlaps leaves and is never
/// summed.
struct StageSpan {
  Stage stage = Stage::kModelInitialization;
  int index = -1;         // step number from 0; -1 where there is none
  std::string component;  // empty for a leaf; else the sub-span or hidden work: "h2d", "convert", "cond", "uncond", ...
  bool hidden = false;    // overlapped with a leaf
  int64_t begin_ns = 0;
  int64_t end_ns = 0;
  uint64_t bytes = 0;  // moved, where that is what the span did
  double flops = 0;    // floating-point operations of this leaf by the analytic cost model; 0 when it computes nothing
  // Of a leaf whose two edges are events of a GPU; absent elsewhere:
  std::optional<int64_t> gpu_ns{};           // between those events
  std::optional<int64_t> exposed_copy_ns{};  // of it, in which the compute queue waited for weights
  std::optional<int64_t> hidden_copy_ns{};  // weights were copied for it, or by it for what follows, and nothing waited
};

/// What one allocation class of the engine held at most, in bytes, over the span of a stage.
struct MemoryMark {
  Stage stage = Stage::kModelInitialization;
  int index = -1;
  std::map<std::string, uint64_t> device_bytes;  // weights.dit.bf16, activations, workspace, ...
  std::map<std::string, uint64_t> host_bytes;    // pinned, ...
  std::optional<uint64_t> device_peak_bytes{};   // all device memory of the engine at most since the mark before
};

struct Plan;
struct ClockDrift;

class Observer {
 public:
  virtual ~Observer() = default;
  /// All that was decided for this video, once, before any of its work. The plan may hold a picture: do not keep it.
  virtual void on_plan(const Plan& plan) = 0;
  /// Called from the thread that runs the engine, soon after a span is known to be over; leaves in order.
  virtual void on_span(const StageSpan& span) = 0;
  /// A stage has begun (for live display; its span follows when it is over). `steps` is the number of denoising steps.
  virtual void on_begin(Stage stage, int index, int steps) = 0;
  virtual void on_memory(const MemoryMark& mark) = 0;
  /// How far the device's clock was from the host's by the end, and how well that is known. Not where both are one.
  virtual void on_clock(const ClockDrift& drift) = 0;
  /// A remark for people that belongs in the record. Nothing reads it back.
  virtual void on_fact(const std::string& key, const std::string& value) = 0;
};

/// Watches nothing: the base of observers that want a part.
class NullObserver : public Observer {
 public:
  void on_plan(const Plan&) override {}
  void on_span(const StageSpan&) override {}
  void on_begin(Stage, int, int) override {}
  void on_memory(const MemoryMark&) override {}
  void on_clock(const ClockDrift&) override {}
  void on_fact(const std::string&, const std::string&) override {}
};

/// The published name: "Model_Initialization", "TI2V_Preprocess", "Step_3_Inference", ... `task` is of the family's
/// table (model/variant.h).
std::string stage_name(Stage stage, int index, const std::string& task);

}  // namespace wan
