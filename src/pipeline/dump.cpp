#include "pipeline/dump.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "io/tensor_file.h"

namespace wan {
namespace {

/// A contiguous host F32 tensor under another shape, keeping the memory.
Tensor reshaped(Tensor tensor, const Shape& shape) {
  Tensor out = host_tensor(DType::kF32, shape);
  std::memcpy(out->data, tensor->data, tensor->bytes());
  return out;
}

}  // namespace

Dump::Dump(Backend& backend, const Request& request, const PatchGrid& grid, int steps)
    : backend_(backend),
      path_(request.dump),
      level_(request.dump_level),
      grid_(grid),
      last_(fmt::format("step{}.sample_out", steps - 1)) {}

void Dump::store(const std::string& name, Tensor value) { tensors_.emplace_back(clip_ + name, std::move(value)); }

void Dump::begin_clip(int clip) { clip_ = clip < 0 ? "" : fmt::format("clip{}.", clip); }

Probe& Dump::call(int index) {
  prefix_ = fmt::format("dit.call{}.", index);
  return *this;
}

void Dump::tensor(const std::string& name, TensorView value) {
  if (name == "patch_embedding") {
    const int64_t d = value.shape[1];
    const TensorView grid = value.reshape({grid_.frames, grid_.rows, grid_.columns, d});
    Tensor planar = backend_.download(grid.permute({3, 0, 1, 2}));
    store(prefix_ + name, reshaped(std::move(planar), {1, d, grid_.frames, grid_.rows, grid_.columns}));
    return;
  }
  if (value.rank() != 2) return store(prefix_ + name, backend_.download(value));
  store(prefix_ + name, reshaped(backend_.download(value), {1, value.shape[0], value.shape[1]}));
}

void Dump::add(const std::string& name, TensorView value) {
  if (!wants(name)) return;
  if (value.memory == Memory::kHost && value.dtype == DType::kF32 && value.is_contiguous()) {
    Tensor copy = host_tensor(DType::kF32, value.shape);
    std::memcpy(copy->data, value.data, value.bytes());
    store(name, std::move(copy));
    return;
  }
  store(name, backend_.download(value));
}

void Dump::add(const std::string& name, std::span<const float> values) {
  if (wants(name)) store(name, host_tensor(values, {static_cast<int64_t>(values.size())}));
}

void Dump::add_of_all_clips(const std::string& name, TensorView value) {
  const auto is_it = [&](const auto& stored) { return stored.first == name; };
  if (!wants(name) || std::any_of(tensors_.begin(), tensors_.end(), is_it)) return;
  const std::string clip = std::exchange(clip_, {});
  add(name, value);
  clip_ = clip;
}

void Dump::add_of_all_clips(const std::string& name, std::span<const float> values) {
  add_of_all_clips(name, host_tensor(values, {static_cast<int64_t>(values.size())}));
}

void Dump::add_per_token(const std::string& name, TensorView table, int row, int first_row) {
  const Tensor rows = backend_.download(table);
  const int64_t width = table.shape[1];
  Tensor out = host_tensor(DType::kF32, {1, grid_.tokens(), width});
  for (int64_t token = 0; token < grid_.tokens(); ++token) {
    const int from = first_row >= 0 && token < grid_.rows * grid_.columns ? first_row : row;
    std::memcpy(out->as<float>() + token * width, rows->as<float>() + from * width,
                static_cast<size_t>(width) * sizeof(float));
  }
  store(prefix_ + name, std::move(out));
}

void Dump::write() const {
  if (path_.empty()) return;
  std::vector<SafetensorsWriter::Declared> declared;
  for (const auto& [name, tensor] : tensors_) declared.push_back({name, DType::kF32, tensor->shape});
  SafetensorsWriter writer(path_, std::move(declared));
  for (const auto& [name, tensor] : tensors_)
    writer.write({static_cast<const std::byte*>(tensor->data), tensor->bytes()});
  writer.finish();
}

}  // namespace wan
