// Collects intermediates of a run as F32 in the golden files' names and shapes, and writes them as one safetensors
// file.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "backend/backend.h"
#include "model/dit.h"
#include "model/probe.h"

namespace wan {

class Dump final : public Probe {
 public:
  explicit Dump(Backend& backend) : backend_(backend) {}

  /// Names of the tensors to come start with this, "dit.call0." for example.
  void set_prefix(std::string prefix) { prefix_ = std::move(prefix); }
  void set_grid(const PatchGrid& grid) { grid_ = grid; }
  /// A module's output: rows [L, d] become [1, L, d]; the patch embedding becomes [1, d, T, h, w], as the source has
  /// it.
  void tensor(const std::string& name, TensorView value) override;
  /// A device or host tensor as it is, under its full name.
  void add(const std::string& name, TensorView value);
  /// A row of a time table, repeated for every token: first-frame tokens take `first_row` unless it is negative.
  void add_per_token(const std::string& name, TensorView table, int row, int first_row);

  void write(const std::filesystem::path& path) const;

 private:
  void store(std::string name, Tensor value);
  Backend& backend_;
  std::string prefix_;
  PatchGrid grid_{};
  std::vector<std::pair<std::string, Tensor>> tensors_;  // in the order of the computation
};

}  // namespace wan
