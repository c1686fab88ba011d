// How the engine tells others what it does and when. Whoever watches decides what to keep; the engine knows no
// benchmark.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/stage.h"

namespace wan {

/// What one allocation class of the engine held at most, in bytes, over the span of a stage.
struct MemoryMark {
  StageId stage;
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
  virtual void on_begin(const StageId& stage, int steps) = 0;
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
  void on_begin(const StageId&, int) override {}
  void on_memory(const MemoryMark&) override {}
  void on_clock(const ClockDrift&) override {}
  void on_fact(const std::string&, const std::string&) override {}
};

/// The published name; `task` is of the family's table (model/variant.h).
std::string stage_name(const StageId& stage, std::string_view task);

}  // namespace wan
