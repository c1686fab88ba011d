// Collects intermediates of a run as F32 in the golden files' names and shapes, and writes them as one safetensors
// file. Where none is asked for, every call does nothing.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "backend/backend.h"
#include "model/dit.h"
#include "model/probe.h"
#include "pipeline/request.h"

namespace wan {

class Dump final : public Probe {
 public:
  /// Into the file that `request` names, if any. `steps`: of the run.
  Dump(Backend& backend, const Request& request, const PatchGrid& grid, int steps);

  /// The names of what is collected from now on begin with "clipK.", or as they are for -1.
  void begin_clip(int clip);

  /// Whether more is collected than what the last step leaves.
  bool is_on() const { return !path_.empty() && level_ != DumpLevel::kLatent; }
  /// Whether the insides of a step's DiT calls are collected; those of the first step are.
  bool takes_blocks_of(int step) const { return is_on() && level_ == DumpLevel::kBlocks && step == 0; }

  /// A device or host tensor as it is, under its full name.
  void add(const std::string& name, TensorView value);
  void add(const std::string& name, std::span<const float> values);
  /// What all clips have alike: once, and under its own name.
  void add_of_all_clips(const std::string& name, TensorView value);
  void add_of_all_clips(const std::string& name, std::span<const float> values);

  /// The tap for the modules of a DiT call, the first one's being 0.
  Probe& call(int index);
  /// A module's output in the call of the last `call`: rows [L, d] become [1, L, d]; the patch embedding becomes
  /// [1, d, T, h, w], as the source has it; with another number of axes it stays as it is.
  void tensor(const std::string& name, TensorView value) override;
  /// A row of a time table, repeated for every token: first-frame tokens take `first_row` unless it is negative. Of the
  /// call of the last `call`.
  void add_per_token(const std::string& name, TensorView table, int row, int first_row);

  void write() const;

 private:
  bool wants(const std::string& name) const { return is_on() || (!path_.empty() && name == last_); }
  void store(const std::string& name, Tensor value);
  Backend& backend_;
  std::filesystem::path path_;
  DumpLevel level_;
  PatchGrid grid_;
  std::string last_;  // name of what the last step leaves
  std::string clip_;  // begins the names
  std::string prefix_;
  std::vector<std::pair<std::string, Tensor>> tensors_;  // in the order of the computation
};

}  // namespace wan
